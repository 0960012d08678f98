# A small shop's API. Plimsoll gives each instance its port and the release's version.
require 'sinatra/base'

class Shop < Sinatra::Base
  VERSION = ENV.fetch('VERSION')

  before { content_type 'text/plain' }

  get('/') { "release #{VERSION}\n" }
  get('/health') { "ok\n" }
  get('/slow') do
    sleep 0.5
    "release #{VERSION}\n"
  end
  post('/echo') { request.body.read }
end
