package emoji

import (
	"image"
	"math"
)

// paint is a colour as captions name it, in OKLCH (Ottosson, "A perceptual color space
// for image processing"): lightness, chroma and hue in degrees.
type paint struct {
	name    string
	l, c, h float64
}

var paints = []paint{
	{"red", .60, .22, 27}, {"orange", .74, .18, 58}, {"yellow", .88, .17, 98}, {"green", .68, .19, 145},
	{"blue", .58, .19, 258}, {"purple", .50, .20, 305}, {"pink", .76, .14, 355},
}

// recolor gives a picture's coloured parts another hue, with their shades. A picture
// that has hardly any colour is tinted as a whole, but for black and white.
func (p paint) recolor(img *image.NRGBA) *image.NRGBA {
	const gray, colored = .03, .07 // chroma below and above which a pixel is surely so
	var mean, chroma, share, all float64
	for i := 0; i < len(img.Pix); i += 4 {
		if img.Pix[i+3] == 0 {
			continue
		}
		l, a, b := toLab(img.Pix[i:])
		alpha := float64(img.Pix[i+3]) / 255
		all += alpha
		if c := math.Hypot(a, b); c > colored {
			mean, chroma, share = mean+alpha*l, chroma+alpha*c, share+alpha
		}
	}
	tinted := share < .3*all
	if !tinted {
		mean, chroma = mean/share, chroma/share
	}
	sin, cos := math.Sincos(p.h * math.Pi / 180)
	out := image.NewNRGBA(img.Rect)
	copy(out.Pix, img.Pix)
	for i := 0; i < len(img.Pix); i += 4 {
		if img.Pix[i+3] == 0 {
			continue
		}
		l, a, b := toLab(img.Pix[i:])
		c := math.Hypot(a, b)
		weight := min(max((c-gray)/(colored-gray), 0), 1)
		to, shift := p.c*min(c/max(chroma, 1e-6), 1.3), .6*(p.l-mean)
		if tinted {
			far := math.Abs(2*l - 1)
			weight = 1 - far*far*far*far
			to, shift = .8*p.c, .3*(p.l-l)
		}
		l += weight * shift
		a, b = a+weight*(to*cos-a), b+weight*(to*sin-b)
		fromLab(out.Pix[i:], l, a, b)
	}
	return out
}

// toLab is a pixel in OKLab.
func toLab(p []byte) (l, a, b float64) {
	r, g, v := light[p[0]], light[p[1]], light[p[2]]
	x := math.Cbrt(.4122214708*r + .5363325363*g + .0514459929*v)
	y := math.Cbrt(.2119034982*r + .6806995451*g + .1073969566*v)
	z := math.Cbrt(.0883024619*r + .2817188376*g + .6299787005*v)
	return .2104542553*x + .7936177850*y - .0040720468*z,
		1.9779984951*x - 2.4285922050*y + .4505937099*z,
		.0259040371*x + .7827717662*y - .8086757660*z
}

func fromLab(p []byte, l, a, b float64) {
	x, y, z := l+.3963377774*a+.2158037573*b, l-.1055613458*a-.0638541728*b, l-.0894841775*a-1.2914855480*b
	x, y, z = x*x*x, y*y*y, z*z*z
	p[0] = gamma(4.0767416621*x - 3.3077115913*y + .2309699292*z)
	p[1] = gamma(-1.2684380046*x + 2.6097574011*y - .3413193965*z)
	p[2] = gamma(-.0041960863*x - .7034186147*y + 1.7076147010*z)
}

// light is that of a value of sRGB; gamma goes back.
var light = func() (table [256]float64) {
	for i := range table {
		if x := float64(i) / 255; x > .04045 {
			table[i] = math.Pow((x+.055)/1.055, 2.4)
		} else {
			table[i] = x / 12.92
		}
	}
	return table
}()

func gamma(x float64) byte {
	if x <= .0031308 {
		return byte(255*12.92*max(x, 0) + .5)
	}
	return byte(255*min(1.055*math.Pow(x, 1/2.4)-.055, 1) + .5)
}
