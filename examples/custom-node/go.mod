module example.com/custom-node

go 1.26.0

require github.com/otapbridge/otapbridge v0.0.0
