// Package page is the server's page: one document with its style and scripts,
// in the program, that loads nothing from elsewhere.
package page

import (
	"embed"
	"net/http"
)

//go:embed index.html assets
var files embed.FS

// Handler serves the page at / and what belongs to it below /assets/.
func Handler() http.Handler {
	serve := http.FileServerFS(files)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-cache")
		serve.ServeHTTP(w, r)
	})
}
