-- What wrk sends, and what it says in the end: one line of JSON, read by wrk.py.
-- A load that is the same for each request defines no `request`, so that wrk formats it once.

-- Each asks for another query, so that no two that are under way are the same request.
local function distinct(count)
   local requests = {}
   for index = 0, count - 1 do
      requests[index] = wrk.format("GET", "/?" .. index)
   end
   local at = 0
   function request()
      at = (at + 1) % count
      return requests[at]
   end
end

local function routes(key, count)
   local requests = {}
   for index = 0, count - 1 do
      if key == "path" then
         requests[index] = wrk.format("GET", string.format("/r%05d/item", index))
      else
         local host = string.format("h%05d.example.com", index)
         requests[index] = wrk.format("GET", "/", { Host = host })
      end
   end
   local at = 0
   -- A prime stride visits every route before it comes to one again.
   function request()
      at = (at + 7919) % count
      return requests[at]
   end
end

function init(args)
   if args[1] == "upload" then
      wrk.method = "POST"
      wrk.body = string.rep("x", tonumber(args[2]))
   elseif args[1] == "distinct" then
      distinct(tonumber(args[2]))
   elseif args[1] == "path" or args[1] == "host" then
      routes(args[1], tonumber(args[2]))
   end
end

function done(summary, latency)
   local errors = summary.errors
   io.write(string.format(
      '{"requests":%d,"duration_us":%d,"bytes":%d,"p50_us":%d,"p99_us":%d,"errors":'
         .. '{"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}}\n',
      summary.requests, summary.duration, summary.bytes,
      latency:percentile(50), latency:percentile(99),
      errors.connect, errors.read, errors.write, errors.status, errors.timeout
   ))
end
