package train

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ldm-go/ldm/data"
	"github.com/ldm-go/ldm/fault"
)

// setTrigger puts a word before the captions that do not have it.
func setTrigger(set *data.Set, trigger string) {
	if trigger == "" {
		return
	}
	for i := range set.Items {
		item := &set.Items[i]
		item.Texts = slices.Clone(item.Texts)
		if len(item.Texts) == 0 {
			item.Texts = []string{trigger}
		}
		item.Texts = withTrigger(item.Texts, trigger)
	}
}

// withTrigger puts a word before texts that do not have it.
func withTrigger(texts []string, trigger string) []string {
	for k, text := range texts {
		if !strings.Contains(strings.ToLower(text), strings.ToLower(trigger)) {
			texts[k] = trigger + ", " + text
		}
	}
	return texts
}

// setTexts settles the captions.
func (c Tuning) setTexts(set *data.Set) {
	if c.describe == nil {
		setTrigger(set, c.Trigger)
		return
	}
	for i := range set.Items {
		set.Items[i].Texts = c.describe(slices.Clone(set.Items[i].Texts))
	}
}

// checkSet wants pictures that are told what the model is told.
func (t *tuning) checkSet(trigger string) error {
	set := t.train.Set
	switch {
	case t.net.TextLength() > 0 && !t.net.LayoutTokens():
		if err := set.RequireCaptions(); err != nil {
			return fmt.Errorf("%s: %w; or trigger, the word that all pictures are called by", t.cfg.Data.Train, err)
		}
	case trigger != "":
		return fault.Inputf("trigger is %q, but the base takes no texts", trigger)
	case t.net.Classes() > 0:
		if len(t.classes) == 0 {
			return fault.Unsupportedf("the base's file names no classes, which those of the pictures could be told by")
		}
		return set.RequireClasses()
	}
	return nil
}
