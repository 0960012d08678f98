require 'sinatra/base'

class Shop < Sinatra::Base
  get '/' do
    'shop'
  end
end
