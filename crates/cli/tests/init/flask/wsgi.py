from flask import Flask


def create_app():
    app = Flask("shop")

    @app.get("/")
    def index():
        return "shop"

    return app
