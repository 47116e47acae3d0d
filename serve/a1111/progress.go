package a1111

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/ldm-go/ldm/serve/bus"
	"github.com/ldm-go/ldm/serve/core"
	"github.com/ldm-go/ldm/serve/front"
	"github.com/ldm-go/ldm/serve/job"
	"github.com/ldm-go/ldm/serve/store"
)

// active returns the jobs of this interface and key that have not ended: the
// running ones first, each oldest first.
func (a *API) active(ctx context.Context) ([]job.Job, error) {
	var list []job.Job
	for _, status := range []job.Status{job.Queued, job.Running} {
		jobs, _, err := a.Store.List(ctx, store.Query{Key: front.Key(ctx), Family: job.A1111, Status: status, Limit: 1000})
		if err != nil {
			return nil, err
		}
		for _, j := range jobs {
			list = append([]job.Job{j}, list...)
		}
	}
	return list, nil
}

// state is A1111's state of its one job.
type state struct {
	Skipped            bool   `json:"skipped"`
	Interrupted        bool   `json:"interrupted"`
	StoppingGeneration bool   `json:"stopping_generation"`
	Job                string `json:"job"`
	JobCount           int    `json:"job_count"`
	JobTimestamp       string `json:"job_timestamp"`
	JobNo              int    `json:"job_no"`
	SamplingStep       int    `json:"sampling_step"`
	SamplingSteps      int    `json:"sampling_steps"`
}

func (a *API) progress(w http.ResponseWriter, r *http.Request) {
	answer := struct {
		Progress     float64 `json:"progress"`
		ETA          float64 `json:"eta_relative"`
		State        state   `json:"state"`
		CurrentImage *string `json:"current_image"`
		TextInfo     *string `json:"textinfo"`
	}{State: state{JobTimestamp: "0"}}
	jobs, err := a.active(r.Context())
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	if len(jobs) > 0 {
		j := jobs[0]
		var x extra
		json.Unmarshal(j.Extra, &x)
		p, _ := a.Progress(j)
		var preview *bus.Preview
		if skip, _ := strconv.ParseBool(strings.ToLower(r.URL.Query().Get("skip_current_image"))); !skip {
			p, preview = a.Seen(r.Context(), j)
		}
		s := state{
			Job: "txt2img", JobCount: max(x.Iterations, 1), JobTimestamp: j.Created.Format("20060102150405"),
			JobNo: p.Image / max(x.Batch, 1), SamplingStep: p.Step, SamplingSteps: max(p.Steps, 1),
		}
		if j.Request.InitImage != "" {
			s.Job = "img2img"
		}
		if s.JobCount > 1 {
			s.Job = "Batch " + strconv.Itoa(min(s.JobNo+1, s.JobCount)) + " out of " + strconv.Itoa(s.JobCount)
		}
		answer.State = s
		answer.Progress = min(1, .01+(float64(s.JobNo)+float64(s.SamplingStep)/float64(s.SamplingSteps))/float64(s.JobCount))
		answer.ETA = max(p.Left, 0)
		if preview != nil {
			text := encode(preview.Data)
			answer.CurrentImage = &text
		}
	}
	core.JSON(w, http.StatusOK, answer)
}

// interrupt ends what runs, with the pictures as far as they are.
func (a *API) interrupt(w http.ResponseWriter, r *http.Request) { a.tell(w, r, bus.KindInterrupt) }

// skip ends the picture in work, and goes on with the next.
func (a *API) skip(w http.ResponseWriter, r *http.Request) { a.tell(w, r, bus.KindSkip) }

func (a *API) tell(w http.ResponseWriter, r *http.Request, kind bus.Kind) {
	jobs, err := a.active(r.Context())
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	for _, j := range jobs {
		if j.Status == job.Running {
			a.Bus.Send(j.ID, bus.Event{Kind: kind})
		}
	}
	if kind == bus.KindSkip {
		core.JSON(w, http.StatusOK, nil)
		return
	}
	core.JSON(w, http.StatusOK, struct{}{})
}
