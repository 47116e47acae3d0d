package train

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/modelfile"
	"github.com/ldm-go/ldm/token"
)

// completeTarget puts into the model's configuration what follows from the
// first stage and the data: vocabulary and classes.
func (s *secondStage) completeTarget(stage autoencoder.Config, before *previous, initial *modelfile.File) error {
	p := s.target.Params
	t, err := model.EncodeStage(stage, false)
	if err != nil {
		return err
	}
	first, err := config.Map(t)
	if err != nil {
		return err
	}
	p["first_stage_config"] = first
	cond, ok := p["cond_stage_config"].(map[string]any)
	if s.classed() && (!ok || cond["target"] != config.TargetClassEmbedder) { // labels for the time embedding
		return s.setClasses()
	}
	if !ok {
		return nil
	}
	cond = maps.Clone(cond)
	params, _ := cond["params"].(map[string]any)
	params = maps.Clone(params)
	if params == nil {
		params = map[string]any{}
	}
	cond["params"], p["cond_stage_config"] = params, cond
	switch cond["target"] {
	case config.TargetTransformer, config.TargetPlainTransformer:
		if p["cond_stage_key"] == keyLayout {
			return s.setCategories(before)
		}
		return s.setVocabulary(params, before, initial)
	case config.TargetFrozenCLIP, config.TargetFrozenOpenCLIP, config.TargetCLIPTextModel:
		tok := token.CLIP()
		if text, err := model.TextTower(config.Target{Target: cond["target"].(string), Params: params}); err != nil {
			return err
		} else {
			tok.Pad = text.Pad
		}
		s.tok = tok
		return s.wantCaptions()
	case config.TargetClassEmbedder:
		if err := s.setClasses(); err != nil {
			return err
		}
		params["n_classes"] = len(s.classes) + 1 // the last is the empty class
	}
	return nil
}

// keyLayout is the cond_stage_key of models that are told boxes.
const keyLayout = "coordinates_bbox"

// setCategories settles the classes of boxes: those of the checkpoint or of the set.
func (s *secondStage) setCategories(before *previous) error {
	s.classes = s.train.Set.Categories
	if before != nil && len(before.classes) > 0 {
		s.classes = before.classes
	}
	if len(s.classes) == 0 {
		return fault.Inputf("%s has no boxes, which a layout model is trained on: want COCO's instances as JSON in it", s.cfg.Data.Train)
	}
	s.known.classes = s.classes
	return nil
}

// setVocabulary settles the word pieces: those of the checkpoint, of the model
// that training begins with, of BERT, or built from the captions.
func (s *secondStage) setVocabulary(params map[string]any, before *previous, initial *modelfile.File) (err error) {
	if err := s.wantCaptions(); err != nil {
		return err
	}
	vocab := token.BERT().Vocab
	size, said := params["vocab_size"].(uint64)
	if !said {
		size = uint64(len(vocab))
	}
	switch {
	case before != nil && len(before.vocabulary) > 0:
		vocab = before.vocabulary
	case initial != nil && initial.Metadata()[metaVocabulary] != "":
		vocab = strings.Split(initial.Metadata()[metaVocabulary], "\n")
	case initial != nil && s.cfg.Vocabulary == vocabularyData && size == uint64(len(vocab)): // a published model's
	case s.cfg.Vocabulary == vocabularyData:
		var captions []string
		for _, item := range s.train.Set.Items {
			captions = append(captions, item.Texts...)
		}
		vocab = token.BuildVocab(captions, int(size))
	}
	params["vocab_size"] = len(vocab)
	s.known.vocabulary = vocab
	if slices.Equal(vocab, token.BERT().Vocab) {
		s.tok = token.BERT()
		return nil
	}
	s.tok, err = token.NewWordPiece(vocab)
	return err
}

// classed tells whether the model is told classes.
func (s *secondStage) classed() bool {
	cond, _ := s.target.Params["cond_stage_config"].(map[string]any)
	return cond["target"] == config.TargetClassEmbedder || s.target.Params["conditioning_key"] == model.KeyADM.String()
}

// setClasses settles the classes: those of the set, which are the checkpoint's
// where there is one.
func (s *secondStage) setClasses() error {
	if err := s.train.Set.RequireClasses(); err != nil {
		return fmt.Errorf("%s: %w", s.cfg.Data.Train, err)
	}
	s.classes = s.train.Set.Classes
	s.known.classes = s.classes
	return nil
}

// wantCaptions refuses to train a text model on pictures without texts.
func (s *secondStage) wantCaptions() error {
	if err := s.train.Set.RequireCaptions(); err != nil {
		return fmt.Errorf("%s: %w", s.cfg.Data.Train, err)
	}
	return nil
}
