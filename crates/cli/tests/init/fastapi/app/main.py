from fastapi import FastAPI

api: FastAPI = FastAPI(title="prices")


@api.get("/prices/{sku}")
async def price(sku: str):
    return {"sku": sku}
