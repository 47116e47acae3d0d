package a1111

import (
	"net/http"
	"strings"

	"github.com/ldm-go/ldm/picture/metadata"
	"github.com/ldm-go/ldm/serve/core"
	"github.com/ldm-go/ldm/serve/fields"
	"github.com/ldm-go/ldm/serve/intake"
)

// pngInfo reads the settings in a picture.
func (a *API) pngInfo(w http.ResponseWriter, r *http.Request) {
	f, err := fields.JSON(r.Body, false)
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	data, err := intake.Base64(f.Text("image"))
	var settings metadata.Settings
	if err == nil {
		settings, err = metadata.ReadBytes(data)
	}
	if err != nil {
		a.refuse(w, r, &fields.Error{Field: "image", Code: fields.InvalidImage, Message: "not a picture that can be read"})
		return
	}
	text, items := "", map[string]string{}
	for _, t := range settings.Texts {
		if strings.EqualFold(t.Key, "parameters") || t.Key == "UserComment" {
			text = t.Text
			continue
		}
		items[t.Key] = t.Text
	}
	core.JSON(w, http.StatusOK, map[string]any{"info": text, "items": items, "parameters": parameters(text)})
}

// missing is what A1111 fills in where a text does not say it.
var missing = map[string]string{
	"Clip skip": "1", "Hires resize-1": "0", "Hires resize-2": "0", "Hires sampler": "Use same sampler", "Hires schedule type": "Use same scheduler",
	"Hires checkpoint": "Use same checkpoint", "Hires prompt": "", "Hires negative prompt": "", "Mask mode": "Inpaint masked",
	"Masked content": "original", "Inpaint area": "Whole picture", "Masked area padding": "32", "RNG": "GPU", "Schedule type": "Automatic",
	"Schedule max sigma": "0", "Schedule min sigma": "0", "Schedule rho": "0", "VAE Encoder": "Full", "VAE Decoder": "Full",
}

// parameters are the fields of a text; all values are strings.
func parameters(text string) map[string]string {
	out := map[string]string{}
	if text == "" {
		return out
	}
	p := metadata.ParseParameters(text)
	out["Prompt"], out["Negative prompt"] = p.Prompt, p.Negative
	for _, f := range p.Fields {
		if w, h, ok := strings.Cut(f.Value, "x"); ok && digits(w) && digits(h) {
			out[f.Key+"-1"], out[f.Key+"-2"] = w, h
			continue
		}
		out[f.Key] = f.Value
	}
	for key, value := range missing {
		if _, ok := out[key]; !ok {
			out[key] = value
		}
	}
	return out
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
