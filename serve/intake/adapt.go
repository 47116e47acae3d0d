package intake

import (
	"fmt"
	"strings"

	"github.com/ldm-go/ldm/serve/catalog"
	"github.com/ldm-go/ldm/serve/fields"
	"github.com/ldm-go/ldm/serve/job"
	"github.com/ldm-go/ldm/unet"
)

// Control is a ControlNet that a client asks for.
type Control struct {
	Model                string // of the server's
	Image                []byte // nil: the picture to begin with
	Strength, Start, End *float64
	Resize               job.ResizeMode
}

// Savings are what a client gives up for speed.
type Savings struct {
	TokenMerging     *float64
	DeepCache        *int64 // evaluations that share deep features
	DeepCacheBranch  *int64
	AdaptiveGuidance *float64
	CFGInterval      []float64 // two shares of the steps
}

// MaxControls bounds the ControlNets of a request.
const MaxControls = 8

// controls settles what ties the pictures to the structure of others.
func (k *check) controls() {
	if len(k.in.Controls) > MaxControls {
		k.fail("controls", fields.InvalidValue, "%d: want at most %d", len(k.in.Controls), MaxControls)
		return
	}
	have := k.adapters().Controls
	for i, c := range k.in.Controls {
		name := fmt.Sprintf("controls[%d].", i)
		net, ok := catalog.FindControl(have, c.Model)
		switch {
		case k.m.Context == 0:
			k.fail("controls", fields.Unsupported, "model %s takes no ControlNets: they go with models of texts", k.m.ID)
			return
		case c.Model == "":
			k.fail(name+"model", fields.Missing, "want the name of a ControlNet: %s", knownControls(have))
			return
		case !ok:
			k.fail(name+"model", fields.Unsupported, "there is no ControlNet %q: %s", c.Model, knownControls(have))
			return
		case net.Context != k.m.Context:
			k.fail(name+"model", fields.Unsupported, "ControlNet %s is for models whose cross-attention has %d channels; that of model %s has %d", net.Name, net.Context, k.m.ID, k.m.Context)
			return
		}
		image := c.Image
		if image == nil {
			if image = k.in.InitImage; image == nil {
				k.fail(name+"image", fields.Missing, "want a picture: the map of edges, depths or poses")
				return
			}
		}
		k.picture(name+"image", fields.InvalidImage, image)
		out := job.Control{Model: net.Name, Image: fmt.Sprintf("control-%d", i), Resize: c.Resize}
		k.blobs[out.Image] = image
		if out.Strength = k.number(name+"strength", c.Strength, 1, 0, 10); out.Strength == 0 {
			k.fail(name+"strength", fields.InvalidValue, "0: want more than 0; leave it out to have none")
		}
		out.Start, out.End = k.number(name+"start", c.Start, 0, 0, 1), k.number(name+"end", c.End, 1, 0, 1)
		if out.Start >= out.End {
			k.fail(name+"start", fields.InvalidValue, "%g, and the end is %g: want two shares of the steps, the first one less", out.Start, out.End)
		}
		k.r.Controls = append(k.r.Controls, out)
	}
}

// knownControls lists ControlNets for an error.
func knownControls(controls []catalog.Control) string {
	var names []string
	for _, c := range controls {
		names = append(names, c.Name)
	}
	return listed(names, "--control-dir")
}

// savings settles what is given up for speed; what would have no effect is refused.
func (k *check) savings() {
	in := k.in.Savings
	guided := k.r.CFGScale != 1 && k.r.CFGScale != 0 && !k.m.Told
	k.r.TokenMerging = k.number("token_merging", in.TokenMerging, 0, 0, unet.MostMerged)
	switch unit := k.m.TokenUnit; {
	case k.r.TokenMerging == 0:
	case unit == 0:
		k.fail("token_merging", fields.Unsupported, "model %s has no tokens that can be merged", k.m.ID)
	case k.r.Width%unit != 0 || k.r.Height%unit != 0:
		k.fail("token_merging", fields.Unsupported, "model %s merges tokens of pictures whose sides are multiples of %d", k.m.ID, unit)
	}
	k.r.DeepCache = k.whole("deep_cache", in.DeepCache, 0, 2, 1000)
	k.r.DeepCacheBranch = k.whole("deep_cache_branch", in.DeepCacheBranch, 0, 1, int64(max(k.m.Branches, 1)))
	switch {
	case k.r.DeepCache > 0 && k.m.Branches < 1:
		k.fail("deep_cache", fields.Unsupported, "the U-Net of model %s is not deep enough", k.m.ID)
	case k.r.DeepCacheBranch > 0 && k.r.DeepCache == 0:
		k.fail("deep_cache_branch", fields.InvalidValue, "it has no effect without deep_cache")
	}
	if a := in.AdaptiveGuidance; a != nil {
		switch k.r.AdaptiveGuidance = k.number("adaptive_guidance", a, 0, 0, 1); {
		case k.r.AdaptiveGuidance == 0:
			k.fail("adaptive_guidance", fields.InvalidValue, "%g: want a cosine similarity above 0, at most 1", *a)
		case !guided:
			k.fail("adaptive_guidance", fields.Unsupported, "it has no effect: there is no guidance by a negative condition")
		}
	}
	if i := in.CFGInterval; i != nil {
		switch {
		case len(i) != 2 || !(i[0] >= 0 && i[0] < i[1] && i[1] <= 1):
			k.fail("cfg_interval", fields.InvalidValue, "%v: want two shares of the steps, from 0 to 1, as [0.2, 0.8]", i)
		case !guided:
			k.fail("cfg_interval", fields.Unsupported, "it has no effect: there is no guidance by a negative condition")
		default:
			k.r.CFGInterval = &[2]float64{i[0], i[1]}
		}
	}
}

// usualNeighbours is how many neighbours a text has where nothing says it.
const usualNeighbours = 10

// retrieval settles in which pictures a model looks for neighbours of the text.
func (k *check) retrieval() {
	if k.in.Database == "" && k.in.Neighbours == nil {
		return
	}
	if !k.m.Vectors {
		field := "database"
		if k.in.Database == "" {
			field = "neighbours"
		}
		k.fail(field, fields.Unsupported, "model %s is not conditioned on vectors of CLIP", k.m.ID)
		return
	}
	have := k.adapters().Databases
	db, ok := catalog.FindDatabase(have, k.in.Database)
	switch {
	case k.in.Database == "":
		k.fail("neighbours", fields.InvalidValue, "they have no effect without database, to find them in")
	case !ok:
		var names []string
		for _, d := range have {
			names = append(names, d.Name)
		}
		k.fail("database", fields.Unsupported, "there is no database %q: %s", k.in.Database, listed(names, "--database-dir"))
	case db.Width != k.m.VectorWidth:
		k.fail("database", fields.Unsupported, "database %s has vectors of %d numbers: model %s wants %d", db.Name, db.Width, k.m.ID, k.m.VectorWidth)
	default:
		k.r.Database = db.Name
		k.r.Neighbours = k.whole("neighbours", k.in.Neighbours, int64(min(usualNeighbours, db.Pictures)), 1, int64(db.Pictures))
	}
}

// listed lists the names of what a server has, or the flag by which it would have some.
func listed(names []string, flag string) string {
	const most = 12
	switch n := len(names); {
	case n == 0:
		return "this server has none (" + flag + ")"
	case n > most:
		names = append(names[:most:most], fmt.Sprintf("and %d more", n-most))
	}
	return "this server has " + strings.Join(names, ", ")
}
