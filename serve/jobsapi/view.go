package jobsapi

import (
	"context"
	"fmt"
	"time"

	"github.com/ldm-go/ldm/serve/job"
	"github.com/ldm-go/ldm/serve/schedule"
)

// view is a job as clients see it.
type view struct {
	ID       string      `json:"id"`
	Object   string      `json:"object"`
	Status   job.Status  `json:"status"`
	Type     job.Type    `json:"type"`
	Model    string      `json:"model"`
	Created  int64       `json:"created_at"`
	Started  *int64      `json:"started_at"`
	Finished *int64      `json:"finished_at"`
	Expires  *int64      `json:"expires_at"`
	Position int         `json:"queue_position"`
	Attempts int         `json:"attempts"`
	Attached bool        `json:"attached,omitempty"`
	Progress progress    `json:"progress"`
	Request  job.Request `json:"request"`
	Warnings []string    `json:"warnings"`
	Images   []image     `json:"images"`
	Error    *job.Error  `json:"error"`
}

type progress struct {
	Step     int      `json:"step"`
	Steps    int      `json:"steps"`
	Image    int      `json:"image"`
	Images   int      `json:"images"`
	Fraction float64  `json:"fraction"`
	Left     *float64 `json:"eta_seconds"`
}

type image struct {
	Index    int    `json:"index"`
	Seed     int64  `json:"seed"`
	URL      string `json:"url"`
	Width    int    `json:"width"`
	Height   int    `json:"height"`
	Bytes    int64  `json:"bytes"`
	SHA256   string `json:"sha256"`
	Infotext string `json:"infotext"`
}

func unix(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	s := t.Unix()
	return &s
}

func (a API) view(ctx context.Context, j job.Job) view {
	v := view{
		ID: j.ID, Object: "job", Status: j.Status, Type: j.Request.Type, Model: j.Request.Model,
		Created: j.Created.Unix(), Started: unix(j.Started), Finished: unix(j.Finished), Attempts: j.Attempts, Attached: j.Attached != "",
		Request: j.Request, Warnings: j.Warnings, Images: []image{}, Error: j.Error,
	}
	if v.Warnings == nil {
		v.Warnings = []string{}
	}
	if !j.Finished.IsZero() && a.Keep > 0 {
		v.Expires = unix(j.Finished.Add(a.Keep))
	}
	if j.Status == job.Queued {
		if waiting, err := a.Store.Waiting(ctx); err == nil {
			v.Position = (&schedule.Scheduler{}).Position(waiting, j.ID)
		}
	}
	v.Progress = a.progress(j)
	for _, img := range j.Images {
		v.Images = append(v.Images, imageView(j.ID, img))
	}
	return v
}

func imageView(id string, img job.Image) image {
	return image{img.Index, img.Seed, fmt.Sprintf("/v1/jobs/%s/images/%d", id, img.Index), img.Width, img.Height, img.Bytes, img.SHA256, img.Infotext}
}

func (a API) progress(j job.Job) progress {
	if j.Status == job.Succeeded {
		return progress{Step: j.Request.Steps, Steps: j.Request.Steps, Image: max(len(j.Images)-1, 0), Images: j.Request.N, Fraction: 1}
	}
	now, _ := a.Progress(j)
	p := progress{now.Step, now.Steps, now.Image, now.Images, now.Fraction(), nil}
	if now.Left >= 0 && j.Status == job.Running {
		p.Left = &now.Left
	}
	return p
}
