package train

import (
	"math"

	"github.com/ldm-go/ldm/autoencoder"
)

// warnings says in words when something known is going wrong, each thing once.
type warnings struct{ said map[string]bool }

func (w *warnings) once(key string) bool {
	if w.said == nil {
		w.said = map[string]bool{}
	}
	if w.said[key] {
		return false
	}
	w.said[key] = true
	return true
}

// setSize warns of a set that is small for a model.
func (w *warnings) setSize(r Run, pictures int, c autoencoder.Config) {
	if pictures < 200 && w.once("set") {
		r.line("warning: %d pictures are few: the model will learn them by heart; some thousands are a set to learn from", pictures)
	}
}

// firstStage looks at the means since the last log.
func (w *warnings) firstStage(o *log, n int) {
	if real, fake := o.mean("disc_logits_real"), o.mean("disc_logits_fake"); real > 1 && fake < -1 && o.mean("disc_loss") < .05 && w.once("discriminator") {
		o.warn(n, "the discriminator wins: it tells pictures from reconstructions without error (logits %.2g and %.2g), and its gradients say little; a smaller loss.discriminator.weight or learning_rate, or a later start may help", real, fake)
	}
	if kl := o.mean("kl"); kl < 1e-3 && !math.IsNaN(kl) && w.once("posterior") {
		o.warn(n, "the posterior collapses: the divergence is %.2g, so the latents say nothing of the pictures; a smaller loss.kl helps", kl)
	}
	if used := o.mean("codes_used"); used < .1 && n >= 1000 && w.once("codes") {
		o.warn(n, "%.0f %% of the codes are in use; codebook.start=kmeans and a smaller codebook.restart_every help", 100*used)
	}
}
