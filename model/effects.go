package model

// Training lists the keys of a LatentDiffusion's parameters, and of the stages in
// it, that change how a model is trained and nothing of how it is run.
var Training = map[string]string{
	"cond_stage_trainable": "whether the conditioner is trained",
	"loss_type":            "the objective's distance",
	"original_elbo_weight": "share of the variational bound in the objective",
	"l_simple_weight":      "share of the simple objective",
	"logvar_init":          "where learnt variances begin",
	"scheduler_config":     "the learning rate's course",

	"first_stage_config.params.lossconfig":       "the first stage's objective",
	"first_stage_config.params.ckpt_path":        "weights that its training begins with",
	"first_stage_config.params.ignore_keys":      "what of those is left out",
	"first_stage_config.params.scheduler_config": "its learning rate's course",
	"first_stage_config.params.lr_g_factor":      "factor of its generator's learning rate",
	"first_stage_config.params.use_ema":          "averages of its weights",

	"first_stage_config.params.remap": "the vocabulary that the use of its codebook is measured by",

	"first_stage_config.params.batch_resize_range": "sizes of the pictures of its training",
}

// Elsewhere lists the keys that say something to the programs that the reference
// stands on, which this one has in another place or has no need of. They are
// accepted, as published configurations hold them.
var Elsewhere = map[string]string{
	"first_stage_key":  "name of the picture in a batch",
	"cond_stage_key":   "name of the condition in a batch; coordinates_bbox alone matters, and makes texts layouts",
	"masked_image_key": "name of the picture with a hole in a batch; see concat_keys",
	"log_every_t":      "how many states a sampler keeps: see Request.OnStep",
	"monitor":          "which number of training a checkpoint is chosen by",

	"unet_config.params.image_size":     "the U-Net takes any size",
	"unet_config.params.use_checkpoint": "memory of the gradients, which is planned here",
	"unet_config.params.use_fp16":       "the precision: see --precision and --hold",

	"first_stage_config.params.monitor":          "which number of training a checkpoint is chosen by",
	"first_stage_config.params.image_key":        "name of the picture in a batch",
	"first_stage_config.params.remap":            "a smaller vocabulary for the codebook's indices, which are not given out; training a first stage counts its share",
	"first_stage_config.params.sane_index_shape": "shape of the codebook's indices, which are not given out",

	"cond_stage_config.params.device":  "the device: see --device",
	"cond_stage_config.params.version": "which weights OpenCLIP is downloaded with; those of the file are used",
	"cond_stage_config.params.key":     "name of the class in a batch",
	"cond_stage_config.params.freeze":  "see cond_stage_trainable",
}
