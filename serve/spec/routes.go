package spec

// The fields that several routes have.
var (
	sampling = []field{
		{"seed", "integer", "-1 or absent: a random one; picture i has seed + i", false},
		{"steps", "integer", "steps of the sampler", false},
		{"cfg_scale", "number", "strength of the guidance, 0 to 100; 1: none", false},
		{"sampler", "string", "name of a sampler, with or without its schedule, as DPM++ 2M Karras", false},
		{"scheduler", "string", "schedule of the noise levels", false},
		{"eta", "number", "share of fresh noise, 0 to 1", false},
		{"clip_skip", "integer", "layers of CLIP counted from the end, 1 to 12", false},
		{"class", "any", "number or name of a class", false},
		{"negative_prompt", "string", "what to lead away from", false},
		{"strength", "number", "how much of a start picture changes, 0 to 1", false},
	}
	openAI = append([]field{
		{"prompt", "string", "what to show", true},
		{"model", "string", "a model's id; OpenAI's own names mean the default model", false},
		{"n", "integer", "pictures, 1 to 10", false},
		{"size", "string", "auto, or WIDTHxHEIGHT", false},
		{"response_format", "enum b64_json|url", "how the pictures are sent", false},
		{"output_format", "enum png|jpeg|webp", "form of the files", false},
		{"output_compression", "integer", "quality of JPEG, 0 to 100", false},
		{"stream", "boolean", "answer with server-sent events", false},
		{"partial_images", "integer", "pictures on the way, 0 to 3, with stream", false},
		{"quality", "enum auto|low|medium|high|xhigh|max|standard|hd", "low: half the steps, high: twice as many", false},
		{"background", "enum auto|opaque", "pictures are opaque", false},
		{"user", "string", "not kept", false},
	}, sampling...)
	jobFields = append([]field{
		{"type", "enum txt2img|img2img|inpaint|class2img|uncond|upscale", "kind of work; absent: what follows from the pictures and the model", false},
		{"model", "string", "a model's id", false},
		{"prompt", "string", "what to show", false},
		{"n", "integer", "pictures, 1 to 16", false},
		{"width", "integer", "a multiple of the model's size_step", false},
		{"height", "integer", "a multiple of the model's size_step", false},
		{"init_image", "string", "base64 of a picture to begin with", false},
		{"mask", "string", "base64 of a picture of the same size; white is made anew", false},
		{"mask_blur", "number", "softness of the mask's edge in pixels", false},
		{"output_format", "enum png|jpeg|webp", "form of the files", false},
		{"output_compression", "integer", "quality of JPEG, 0 to 100", false},
		{"preview_every", "integer", "steps between previews; 0: none", false},
		{"priority", "enum low|normal|high", "among the jobs of the same key", false},
		{"metadata", "object", "at most 16 pairs of strings", false},
	}, sampling...)
	a1111Text = []field{
		{"prompt", "string", "what to show", false}, {"negative_prompt", "string", "what to lead away from", false},
		{"seed", "integer", "-1: a random one", false}, {"width", "integer", "pixels", false}, {"height", "integer", "pixels", false},
		{"steps", "integer", "steps of the sampler", false}, {"cfg_scale", "number", "strength of the guidance", false}, {"eta", "number", "share of fresh noise", false},
		{"sampler_name", "string", "name of a sampler", false}, {"scheduler", "string", "schedule of the noise levels", false},
		{"batch_size", "integer", "pictures of an iteration", false}, {"n_iter", "integer", "iterations", false},
		{"override_settings", "object", "sd_model_checkpoint, CLIP_stop_at_last_layers, samples_format", false},
		{"send_images", "boolean", "false: no pictures in the answer", false},
	}
	a1111Image = append([]field{
		{"init_images", "strings", "one picture in base64", true}, {"denoising_strength", "number", "0 to 1", false},
		{"resize_mode", "integer", "0 stretch, 1 crop, 2 pad, 3 latent", false}, {"mask", "string", "white is made anew", false},
		{"inpainting_mask_invert", "integer", "1: black is made anew", false}, {"mask_blur", "number", "softness of the mask's edge", false},
		{"inpainting_fill", "integer", "0 blurred surroundings, 1 the picture, 2 noise, 3 zeros", false},
		{"inpaint_full_res", "boolean", "work on the masked part alone, at the whole size", false},
		{"inpaint_full_res_padding", "integer", "pixels around it", false},
	}, a1111Text...)
	larger = []field{
		{"upscaling_resize", "number", "factor, above 0, at most 8", false}, {"resize_mode", "integer", "1: to upscaling_resize_w and upscaling_resize_h", false},
		{"upscaling_resize_w", "integer", "pixels", false}, {"upscaling_resize_h", "integer", "pixels", false},
		{"upscaling_crop", "boolean", "cut to the size's aspect", false}, {"upscaler_1", "string", "Lanczos, Nearest, or a model of super-resolution", false},
	}
)

// routes are all addresses of the server.
var routes = []route{
	{method: "GET", path: "/v1/models", doc: "The models", tag: "OpenAI", status: "200", answer: "A list."},
	{method: "GET", path: "/v1/models/{id}", doc: "A model", tag: "OpenAI", status: "200", answer: "The model."},
	{method: "POST", path: "/v1/images/generations", doc: "Make pictures", tag: "OpenAI", fields: openAI, status: "200", answer: "The pictures, or a stream of events."},
	{method: "POST", path: "/v1/images/edits", doc: "Change a picture; transparent parts of the mask are made anew", tag: "OpenAI", form: true,
		fields: append([]field{{"image", "file", "the picture", true}, {"mask", "file", "of the same size", false}}, openAI...), status: "200", answer: "The pictures, or a stream of events."},
	{method: "POST", path: "/v1/images/variations", doc: "Pictures like one", tag: "OpenAI", form: true,
		fields: []field{{"image", "file", "the picture", true}, {"n", "integer", "pictures", false}, {"strength", "number", "how much changes", false}}, status: "200", answer: "The pictures."},

	{method: "POST", path: "/v1/jobs", doc: "Accept a job. Idempotency-Key makes it once; Prefer: wait=N waits for its end", tag: "Jobs", fields: jobFields, status: "202", answer: "The job."},
	{method: "GET", path: "/v1/jobs", doc: "The jobs of this key, newest first", tag: "Jobs", status: "200", answer: "A list.",
		fields: []field{{"status", "enum queued|running|succeeded|failed|cancelled", "of this status alone", false}, {"limit", "integer", "1 to 100", false}, {"after", "string", "older than this job", false}}},
	{method: "GET", path: "/v1/jobs/{id}", doc: "A job", tag: "Jobs", status: "200", answer: "The job."},
	{method: "DELETE", path: "/v1/jobs/{id}", doc: "Cancel a job, or forget one that has ended", tag: "Jobs", status: "200", answer: "The cancelled job; 204 if it was forgotten."},
	{method: "GET", path: "/v1/jobs/{id}/images/{index}", doc: "A finished picture", tag: "Jobs", status: "200", answer: "The file.", media: "image/png"},
	{method: "GET", path: "/v1/jobs/{id}/events", doc: "What happens to a job: status, progress, preview, image, done. Last-Event-ID goes on", tag: "Jobs", status: "200", answer: "Server-sent events.", media: "text/event-stream"},
	{method: "GET", path: "/v1/capabilities", doc: "Models, defaults, samplers, limits", tag: "Jobs", status: "200", answer: "What this server can do."},

	{method: "POST", path: "/sdapi/v1/txt2img", doc: "Make pictures", tag: "A1111", fields: a1111Text, status: "200", answer: "images, parameters, info."},
	{method: "POST", path: "/sdapi/v1/img2img", doc: "Make pictures that begin with one", tag: "A1111", fields: a1111Image, status: "200", answer: "images, parameters, info."},
	{method: "POST", path: "/sdapi/v1/extra-single-image", doc: "Make a picture larger", tag: "A1111", fields: append([]field{{"image", "string", "base64", true}}, larger...), status: "200", answer: "The picture."},
	{method: "POST", path: "/sdapi/v1/extra-batch-images", doc: "Make pictures larger", tag: "A1111", fields: append([]field{{"imageList", "any", "a list of {data, name}", true}}, larger...), status: "200", answer: "The pictures."},
	{method: "POST", path: "/sdapi/v1/png-info", doc: "The settings in a picture", tag: "A1111", fields: []field{{"image", "string", "base64", true}}, status: "200", answer: "info, items, parameters."},
	{method: "GET", path: "/sdapi/v1/progress", doc: "How far this key's oldest job is", tag: "A1111", fields: []field{{"skip_current_image", "boolean", "true: without a preview", false}}, status: "200", answer: "progress, state, current_image."},
	{method: "POST", path: "/sdapi/v1/interrupt", doc: "End what runs, with the pictures as far as they are", tag: "A1111", status: "200", answer: "Nothing."},
	{method: "POST", path: "/sdapi/v1/skip", doc: "End the picture in work, and go on with the next", tag: "A1111", status: "200", answer: "Nothing."},
	{method: "GET", path: "/sdapi/v1/options", doc: "The settings", tag: "A1111", status: "200", answer: "The settings."},
	{method: "POST", path: "/sdapi/v1/options", doc: "Choose the default model by sd_model_checkpoint", tag: "A1111", fields: []field{{"sd_model_checkpoint", "string", "title, name or hash", false}}, status: "200", answer: "Nothing."},
	{method: "GET", path: "/sdapi/v1/sd-models", doc: "The models", tag: "A1111", status: "200", answer: "A list."},
	{method: "GET", path: "/sdapi/v1/samplers", doc: "The samplers", tag: "A1111", status: "200", answer: "A list."},
	{method: "GET", path: "/sdapi/v1/schedulers", doc: "The schedules", tag: "A1111", status: "200", answer: "A list."},
	{method: "GET", path: "/sdapi/v1/upscalers", doc: "The upscalers", tag: "A1111", status: "200", answer: "A list."},
	{method: "GET", path: "/sdapi/v1/loras", doc: "The LoRAs that prompts can name", tag: "A1111", status: "200", answer: "A list."},
	{method: "GET", path: "/sdapi/v1/embeddings", doc: "The learnt words, loaded or skipped for the model", tag: "A1111", status: "200", answer: "loaded, skipped."},
	{method: "POST", path: "/sdapi/v1/refresh-checkpoints", doc: "Look at the folders again; so do refresh-loras, refresh-embeddings and refresh-vae", tag: "A1111", status: "200", answer: "Nothing."},
	{method: "POST", path: "/sdapi/v1/unload-checkpoint", doc: "Give the memory of the model back", tag: "A1111", status: "200", answer: "Nothing."},
	{method: "POST", path: "/sdapi/v1/reload-checkpoint", doc: "Load the model", tag: "A1111", status: "200", answer: "Nothing."},
	{method: "GET", path: "/sdapi/v1/memory", doc: "Memory", tag: "A1111", status: "200", answer: "Bytes."},

	{method: "GET", path: "/healthz", doc: "The process lives", tag: "Operation", status: "200", answer: "ok", open: true},
	{method: "GET", path: "/readyz", doc: "Jobs are taken", tag: "Operation", status: "200", answer: "ok; 503 with the reason otherwise", open: true},
	{method: "GET", path: "/metrics", doc: "Metrics for Prometheus", tag: "Operation", status: "200", answer: "Text.", media: "text/plain"},
}
