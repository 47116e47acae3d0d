package a1111

import (
	"net/http"

	"github.com/ldm-go/ldm/serve/core"
)

// refresh looks at the folders of models, LoRAs and learnt words again.
func (a *API) refresh(w http.ResponseWriter, r *http.Request) {
	if err := a.Rescan(r.Context()); err != nil {
		a.refuse(w, r, err)
		return
	}
	core.JSON(w, http.StatusOK, nil)
}

// unload gives the memory of this interface's model back; the next picture loads it.
func (a *API) unload(w http.ResponseWriter, r *http.Request) {
	if m, err := a.model(""); err == nil {
		a.Unload(m.ID)
	}
	empty(w, r)
}

func (a *API) reload(w http.ResponseWriter, r *http.Request) {
	m, err := a.model("")
	if err == nil {
		err = a.Load(r.Context(), m.ID)
	}
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	empty(w, r)
}

func (a *API) loras(w http.ResponseWriter, _ *http.Request) {
	list := []any{}
	for _, l := range a.Adapters().LoRAs {
		metadata := l.Metadata
		if metadata == nil {
			metadata = map[string]string{}
		}
		list = append(list, map[string]any{"name": l.Name, "alias": l.Alias, "path": l.File, "metadata": metadata})
	}
	core.JSON(w, http.StatusOK, list)
}

// embeddings lists the learnt words that fit this interface's model, and those that do not.
func (a *API) embeddings(w http.ResponseWriter, _ *http.Request) {
	answer := map[string]map[string]any{"loaded": {}, "skipped": {}}
	m, _ := a.model("")
	for _, word := range a.Adapters().Words {
		where := "skipped"
		if word.Width == m.Texts {
			where = "loaded"
		}
		answer[where][word.Name] = map[string]any{
			"step": nil, "sd_checkpoint": nil, "sd_checkpoint_name": nil, "shape": word.Width, "vectors": word.Vectors,
		}
	}
	core.JSON(w, http.StatusOK, answer)
}
