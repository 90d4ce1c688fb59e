package model_test

import (
	"math"
	"testing"

	"xrun/model"
)

// TestLlama3Frequencies compares with the frequencies that transformers 5.24 computes in
// float32 (LlamaRotaryEmbedding.inv_freq): some ten roundings of 2^-24 lie between.
func TestLlama3Frequencies(t *testing.T) {
	for _, c := range []struct {
		name    string
		headDim int
		theta   float64
		scaling model.RopeScaling
		want    map[int]float64
	}{
		{"Llama-3.2-1B", 64, 5e5, model.RopeScaling{Factor: 32, LowFreq: 1, HighFreq: 4, TrainedLength: 8192}, map[int]float64{
			0: 1, 1: 0.663601279258728, 7: 0.05666961893439293, 14: 0.0032114461064338684, 15: 0.0012905480107292533,
			16: 0.000429556705057621, 17: 9.708286233944818e-05, 18: 1.9461638657958247e-05, 31: 9.418306490260875e-08}},
		{"Llama-3.1-8B", 128, 5e5, model.RopeScaling{Factor: 8, LowFreq: 1, HighFreq: 4, TrainedLength: 8192}, map[int]float64{
			28: 0.0032114461064338684, 29: 0.0021665706299245358, 30: 0.0013718936825171113, 33: 0.0003126936499029398,
			34: 0.0001785077911335975, 35: 9.556212171446532e-05, 36: 7.784655463183299e-05, 63: 3.068925877869333e-07}},
		{"a narrow band", 24, 1e4, model.RopeScaling{Factor: 3, LowFreq: 2.5, HighFreq: 2.75, TrainedLength: 100}, map[int]float64{
			0: 1, 2: 0.2154434472322464, 3: 0.03333333507180214, 4: 0.015471961349248886, 11: 7.181447290349752e-05}},
	} {
		config := small(model.Llama)
		config.HeadDim, config.RopeTheta, config.RopeScaling = c.headDim, c.theta, &c.scaling
		for i, want := range c.want {
			if got := config.RotaryFrequency(i); !(math.Abs(got/want-1) < 1e-6) {
				t.Errorf("%s: frequency %d is %v, want %v", c.name, i, got, want)
			}
		}
	}
}
