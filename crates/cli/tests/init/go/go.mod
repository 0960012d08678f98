module github.com/example/stock/v2

go 1.24
