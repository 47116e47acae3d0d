// Package spec describes the server's interfaces: as OpenAPI 3.1 for programs,
// and as a page for people.
package spec

import (
	_ "embed"
	"encoding/json"
	"net/http"
	"strings"
)

//go:embed docs.html
var page []byte

// field is one of a request.
type field struct {
	name, kind, doc string
	required        bool
}

// route is an address with what it does.
type route struct {
	method, path, doc string
	tag               string
	fields            []field
	form              bool // a multipart form, not JSON
	status, answer    string
	media             string // of the answer; "": JSON
	open              bool   // needs no key
}

// Document is the OpenAPI document.
func Document(version string) map[string]any {
	paths := map[string]map[string]any{}
	for _, r := range routes {
		if paths[r.path] == nil {
			paths[r.path] = map[string]any{}
		}
		paths[r.path][strings.ToLower(r.method)] = r.operation()
	}
	return map[string]any{
		"openapi": "3.1.0",
		"info": map[string]any{
			"title": "ldm", "version": version,
			"description": "Latent diffusion models: OpenAI's images API, A1111's API, and jobs. null is as good as absent for every field. A field that is absent takes the model's default (GET /v1/capabilities).",
			"license":     map[string]any{"name": "Apache-2.0", "identifier": "Apache-2.0"},
		},
		"paths":    paths,
		"security": []any{map[string]any{}, map[string]any{"bearer": []any{}}, map[string]any{"basic": []any{}}, map[string]any{"header": []any{}}},
		"components": map[string]any{
			"securitySchemes": map[string]any{
				"bearer": map[string]any{"type": "http", "scheme": "bearer"},
				"basic":  map[string]any{"type": "http", "scheme": "basic"},
				"header": map[string]any{"type": "apiKey", "in": "header", "name": "X-API-Key"},
			},
			"schemas": map[string]any{"Error": problem},
		},
	}
}

var problem = map[string]any{
	"type": "object", "required": []any{"error"},
	"properties": map[string]any{"error": map[string]any{
		"type": "object", "required": []any{"message", "type", "param", "code"},
		"properties": map[string]any{
			"message": map[string]any{"type": "string"}, "type": map[string]any{"type": "string"},
			"param": map[string]any{"type": []any{"string", "null"}}, "code": map[string]any{"type": []any{"string", "null"}},
		},
	}},
}

func (r route) operation() map[string]any {
	media := r.media
	if media == "" {
		media = "application/json"
	}
	good := map[string]any{"description": r.answer}
	if r.status != "204" {
		good["content"] = map[string]any{media: map[string]any{}}
	}
	op := map[string]any{
		"summary": r.doc, "tags": []any{r.tag}, "operationId": r.id(),
		"responses": map[string]any{
			r.status: good,
			"default": map[string]any{
				"description": "What went wrong. 429 and 503 carry Retry-After.",
				"content":     map[string]any{"application/json": map[string]any{"schema": map[string]any{"$ref": "#/components/schemas/Error"}}},
			},
		},
	}
	if r.open {
		op["security"] = []any{}
	}
	var parameters []any
	for rest := r.path; ; {
		_, after, ok := strings.Cut(rest, "{")
		if !ok {
			break
		}
		name, tail, _ := strings.Cut(after, "}")
		parameters = append(parameters, map[string]any{"name": name, "in": "path", "required": true, "schema": map[string]any{"type": "string"}})
		rest = tail
	}
	if r.method == http.MethodGet {
		for _, f := range r.fields {
			parameters = append(parameters, map[string]any{"name": f.name, "in": "query", "description": f.doc, "schema": f.schema(true)})
		}
	}
	if parameters != nil {
		op["parameters"] = parameters
	}
	if r.method == http.MethodPost && r.fields != nil {
		op["requestBody"] = r.body()
	}
	return op
}

// id is a name made of the path.
func (r route) id() string {
	return strings.ToLower(r.method) + strings.NewReplacer("/", "_", "{", "", "}", "", "-", "_").Replace(r.path)
}

func (r route) body() map[string]any {
	properties := map[string]any{}
	required := []any{}
	for _, f := range r.fields {
		properties[f.name] = f.schema(r.form)
		if f.required {
			required = append(required, f.name)
		}
	}
	media := "application/json"
	if r.form {
		media = "multipart/form-data"
	}
	return map[string]any{
		"required": len(required) > 0,
		"content":  map[string]any{media: map[string]any{"schema": map[string]any{"type": "object", "properties": properties, "required": required}}},
	}
}

// schema is the type of a field; null is absent, but in a form.
func (f field) schema(plain bool) map[string]any {
	s := map[string]any{"description": f.doc}
	if values, ok := strings.CutPrefix(f.kind, "enum "); ok {
		list := []any{}
		for _, v := range strings.Split(values, "|") {
			list = append(list, v)
		}
		s["type"], s["enum"] = "string", list
		if !plain {
			s["type"], s["enum"] = []any{"string", "null"}, append(list, nil)
		}
		return s
	}
	kind := f.kind
	switch kind {
	case "file":
		s["type"], s["format"] = "string", "binary"
		return s
	case "any":
		return s
	case "strings":
		s["items"] = map[string]any{"type": "string"}
		kind = "array"
	}
	s["type"] = kind
	if !plain {
		s["type"] = []any{kind, "null"}
	}
	return s
}

// JSON serves the document.
func JSON(version string) http.Handler {
	data, err := json.MarshalIndent(Document(version), "", " ")
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err != nil {
			http.Error(w, "internal error", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Write(data)
	})
}

// Page serves the document for people.
func Page() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'self'; style-src 'unsafe-inline'; script-src 'sha256-"+scriptHash+"'; base-uri 'none'; frame-ancestors 'none'")
		w.Write(page)
	})
}

// Paths lists method and path of every route that is described.
func Paths() []string {
	var list []string
	for _, r := range routes {
		list = append(list, r.method+" "+r.path)
	}
	return list
}
