// Package ldm makes pictures with latent diffusion models (Rombach et al., arXiv
// 2112.10752) and Stable Diffusion v1.
//
//	m, err := ldm.Open("sd-v1-4.ckpt", ldm.Options{}) // or emoji.Load, the model in the box
//	...
//	defer m.Close()
//	out, err := m.Generate(ctx, ldm.Request{Condition: ldm.Prompt("a red apple"), Seeds: []uint64{7}})
//	...
//	png.Encode(w, out.Images[0])
//
// Which call does what:
//
//   - Open and OpenFS read a model: a .safetensors or .ckpt file, or a diffusers
//     folder. OpenFirstStage and OpenFirstStageFS read an autoencoder alone. Options
//     say on what they compute and how the file is read.
//   - Model.Generate makes the pictures of a Request. What they show is a Condition:
//     a Prompt, a Class or ClassName, a Picture (super-resolution, semantic maps), a
//     Masked picture (inpainting models), a Layout, or nothing; Each has one for each
//     picture. Request.Start begins with a picture, and Request.Mask keeps a part of
//     it, with any model.
//   - Request.OnStep is told of every Step, which can show the picture as it forms.
//     The Result has the pictures and the request as it was resolved, with its seeds.
//   - FirstStage encodes pictures to latents and decodes them.
//   - New, NewFirstStage, Load and LoadFirstStage tie together what was read or
//     trained elsewhere; packages model and modelfile are for that.
//   - ErrInput, ErrUnsupported, ErrFile and ErrMemory are the kinds of errors, for
//     errors.Is. A cancelled call returns the context's error.
//
// Training is in package train, samplers in package sampler.
package ldm

import "github.com/ldm-go/ldm/fault"

// The kinds of errors.
var (
	ErrInput       = fault.Input       // a value, shape or setting that is not legal
	ErrUnsupported = fault.Unsupported // legal, but not for this model
	ErrFile        = fault.File        // a file that is damaged, or not what it should be
	ErrMemory      = fault.Memory      // more memory than there is
)
