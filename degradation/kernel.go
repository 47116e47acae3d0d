package degradation

import "math"

// kernel is a square filter whose weights add up to 1.
type kernel struct {
	size int
	w    []float64
}

func (k kernel) normalised() kernel {
	var sum float64
	for _, v := range k.w {
		sum += v
	}
	if sum != 0 {
		for i := range k.w {
			k.w[i] /= sum
		}
	}
	return k
}

// gaussian is Matlab's fspecial("gaussian"): round, with standard deviation sigma.
func gaussian(size int, sigma float64) kernel {
	k := kernel{size, make([]float64, size*size)}
	sigma = max(sigma, 1e-3) // the reference divides by zero there
	half := float64(size-1) / 2
	var most float64
	for i := range k.w {
		y, x := float64(i/size)-half, float64(i%size)-half
		k.w[i] = math.Exp(-(x*x + y*y) / (2 * sigma * sigma))
		most = max(most, k.w[i])
	}
	const epsilon = 0x1p-52
	for i, v := range k.w {
		if v < epsilon*most {
			k.w[i] = 0
		}
	}
	if most == 0 { // an even size and hardly any width: the four pixels in the middle
		for _, i := range []int{size/2 - 1, size / 2} {
			for _, j := range []int{size/2 - 1, size / 2} {
				k.w[i*size+j] = 1
			}
		}
	}
	return k.normalised()
}

// anisotropicGaussian has variances l1 and l2 along axes that are turned by theta.
func anisotropicGaussian(size int, theta, l1, l2 float64) kernel {
	l1, l2 = max(l1, 1e-6), max(l2, 1e-6)
	c, s := math.Cos(theta), math.Sin(theta)
	k := kernel{size, make([]float64, size*size)}
	least := math.Inf(1)
	for i := range k.w {
		center := float64(size)/2 - .5
		y, x := float64(i/size)-center, float64(i%size)-center
		along, across := c*x+s*y, s*x-c*y
		k.w[i] = along*along/l1 + across*across/l2
		least = min(least, k.w[i])
	}
	for i, v := range k.w {
		k.w[i] = math.Exp((least - v) / 2)
	}
	return k.normalised()
}

// shifted moves the kernel so that taking every factor-th pixel behind it does not
// move the picture: by (factor-1)/2 pixels, bilinearly.
func (k kernel) shifted(factor int) kernel {
	return kernel{k.size, shift(k.w, k.size, k.size, factor)}.normalised()
}

// shift moves an array [h, w] up and left by (factor-1)/2 places, between which it
// interpolates; the last ones repeat.
func shift(a []float64, h, w, factor int) []float64 {
	out := make([]float64, h*w)
	by := float64(factor-1) / 2
	for y := range h {
		for x := range w {
			fy, fx := min(float64(y)+by, float64(h-1)), min(float64(x)+by, float64(w-1))
			y0, x0 := int(fy), int(fx)
			y1, x1 := min(y0+1, h-1), min(x0+1, w-1)
			ty, tx := fy-float64(y0), fx-float64(x0)
			out[y*w+x] = (1-ty)*((1-tx)*a[y0*w+x0]+tx*a[y0*w+x1]) + ty*((1-tx)*a[y1*w+x0]+tx*a[y1*w+x1])
		}
	}
	return out
}
