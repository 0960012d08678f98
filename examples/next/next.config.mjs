/** @type {import('next').NextConfig} */
export default {
  // A directory that runs without node_modules: .next/standalone, with a small server.js.
  output: 'standalone',
  // Next compresses by itself; leave it to what stands in front if that does.
  poweredByHeader: false,
};
