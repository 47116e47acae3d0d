# The six verbs. Everything works with plain go commands too.

.PHONY: build test check bench run clean

build: ## the program, as ./ldm
	go build -o ldm ./cmd/ldm

test: ## what to run before each commit, half a minute
	go test -short ./...

check: ## everything that CI runs on this machine
	.ci/run

bench: ## the works that speed is compared by; WORKS chooses some
	go run ./cmd/ldm bench $(WORKS)

run: ## a picture with the built-in model; PROMPT says of what
	go run ./cmd/ldm txt2img -p "$(or $(PROMPT),a red apple)"

clean: ## what the others leave behind
	rm -f ldm ldm.exe output*.png
	rm -rf dist
