from fastapi import FastAPI

from order_desk import health

api = FastAPI()
api.include_router(health.router)
