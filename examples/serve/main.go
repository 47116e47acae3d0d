// Command serve answers GET /?prompt=a+red+apple&seed=7 with a PNG, from the emoji
// model in the box or the one that is named:
//
//	go run ./examples/serve
//	go run ./examples/serve sd-v1-4.ckpt
//
// Requests that come at one time share the model's runs, and a client that goes away
// ends its own. ldm serve is the whole server: queues, keys, other programs' interfaces.
package main

import (
	"context"
	"errors"
	"image/png"
	"log"
	"net/http"
	"os"
	"strconv"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/weights/emoji"
)

func main() {
	open := func() (*ldm.Model, error) { return emoji.Load(ldm.Options{}) }
	if len(os.Args) > 1 {
		open = func() (*ldm.Model, error) { return ldm.Open(os.Args[1], ldm.Options{}) }
	}
	m, err := open()
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	log.Print("http://localhost:8080/?prompt=a+red+apple")
	log.Fatal(http.ListenAndServe("localhost:8080", handler(m)))
}

// handler makes a picture for every request.
func handler(m *ldm.Model) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request := ldm.Request{Condition: ldm.Prompt(r.FormValue("prompt"))}
		if text := r.FormValue("seed"); text != "" {
			seed, err := strconv.ParseUint(text, 10, 64)
			if err != nil {
				http.Error(w, "seed: want a whole number", http.StatusBadRequest)
				return
			}
			request.Seeds = []uint64{seed}
		}
		for name, field := range map[string]*int{"steps": &request.Steps, "width": &request.Width, "height": &request.Height} {
			var err error
			if text := r.FormValue(name); text != "" {
				if *field, err = strconv.Atoi(text); err != nil {
					http.Error(w, name+": want a whole number", http.StatusBadRequest)
					return
				}
			}
		}
		out, err := m.Generate(r.Context(), request)
		switch {
		case errors.Is(err, context.Canceled): // nobody listens any more
		case errors.Is(err, ldm.ErrInput), errors.Is(err, ldm.ErrUnsupported), errors.Is(err, ldm.ErrMemory):
			http.Error(w, err.Error(), http.StatusBadRequest)
		case err != nil:
			log.Print(err)
			http.Error(w, "the model failed", http.StatusInternalServerError)
		default:
			w.Header().Set("Content-Type", "image/png")
			w.Header().Set("X-Seed", strconv.FormatUint(out.Request.Seeds[0], 10))
			if err := png.Encode(w, out.Images[0]); err != nil {
				log.Print(err)
			}
		}
	})
}
