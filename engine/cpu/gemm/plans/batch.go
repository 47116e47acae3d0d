package plans

// TrainingBatch is what a batch of training is taken to be: what is done once for
// a batch, as filters are transformed, is divided by it, and partial tiles of rows
// are filled by the next picture. Otherwise a picture is taken to be alone.
const TrainingBatch = 32
