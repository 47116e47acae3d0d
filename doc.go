// Package ldm runs latent diffusion models (Rombach et al., arXiv 2112.10752):
// it ties a first stage, a denoiser in its latent space and a conditioner
// together, and turns texts, classes and pictures into pictures.
package ldm
