package serve_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/serve/spec"
)

// TestSpec: every address of the document is there, and the document is JSON
// that says so.
func TestSpec(t *testing.T) {
	t.Parallel()
	r := start(t, config(t))
	for _, p := range spec.Paths() {
		method, path, _ := strings.Cut(p, " ")
		path = strings.NewReplacer("{id}", "fake", "{index}", "0").Replace(path)
		resp, data := r.do(method, path, nil, nil)
		if resp.StatusCode == 405 || resp.StatusCode == 404 && strings.Contains(string(data), "nothing at this address") {
			t.Errorf("%s: status %d", p, resp.StatusCode)
		}
	}
	doc := r.expect(200, "GET", "/openapi.json", nil, nil)
	if doc["openapi"] != "3.1.0" || len(doc["paths"].(m)) < 25 {
		t.Errorf("%v", doc["openapi"])
	}
	if _, err := json.Marshal(spec.Document("x")); err != nil {
		t.Error(err)
	}
	if resp, data := r.do("GET", "/docs", nil, nil); resp.StatusCode != 200 || strings.Contains(string(data), "https://") {
		t.Error("the page of the interfaces loads from elsewhere")
	}
	// The fields that the strict interface knows are those that are described.
	e := r.expect(422, "POST", "/v1/jobs", `{"nothing":1}`, nil)["error"].(m)["message"].(string)
	_, known, _ := strings.Cut(e, "known are ")
	described := doc["paths"].(m)["/v1/jobs"].(m)["post"].(m)["requestBody"].(m)["content"].(m)["application/json"].(m)["schema"].(m)["properties"].(m)
	names := strings.Split(known, ", ")
	for _, name := range names {
		if described[name] == nil {
			t.Errorf("the field %s is not described", name)
		}
	}
	if len(names) != len(described) {
		t.Errorf("%d fields are known, %d described", len(names), len(described))
	}
}
