// OpenAI's package for Go against a server of this project: BASE_URL is its address. It
// is a module of its own, so that what it needs is not needed by anybody else.
package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"log"
	"os"
	"slices"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

func main() {
	log.SetFlags(log.Lshortfile)
	ctx := context.Background()
	client := openai.NewClient(option.WithBaseURL(os.Getenv("BASE_URL")+"/v1"), option.WithAPIKey("none"), option.WithMaxRetries(0))

	var names []string
	for models := client.Models.ListAutoPaging(ctx); models.Next(); {
		names = append(names, models.Current().ID)
	}
	want(slices.Contains(names, "fake"), names)

	few := []option.RequestOption{option.WithJSONSet("steps", 5), option.WithJSONSet("seed", 7)}
	answer, err := client.Images.Generate(ctx, openai.ImageGenerateParams{Prompt: "a cat", N: openai.Int(2), Size: "64x64"}, few...)
	check(err)
	want(len(answer.Data) == 2 && answer.Usage.TotalTokens > 0 && answer.Size == "64x64", answer)
	first := picture(answer.Data[0].B64JSON)

	stream := client.Images.GenerateStreaming(ctx, openai.ImageGenerateParams{Prompt: "a cat", PartialImages: openai.Int(2)}, option.WithJSONSet("steps", 12))
	var kinds []string
	for stream.Next() {
		e := stream.Current()
		kinds = append(kinds, e.Type)
		picture(e.B64JSON)
	}
	check(stream.Err())
	want(slices.Equal(kinds, []string{"image_generation.partial_image", "image_generation.partial_image", "image_generation.completed"}), kinds)

	hole := image.NewNRGBA(image.Rect(0, 0, 64, 64))
	for i := range 64 * 32 {
		hole.Set(i%64, i/64, color.Black)
	}
	var mask bytes.Buffer
	check(png.Encode(&mask, hole))
	edit, err := client.Images.Edit(ctx, openai.ImageEditParams{
		Image: openai.ImageEditParamsImageUnion{OfFile: openai.File(bytes.NewReader(first), "in.png", "image/png")},
		Mask:  openai.File(&mask, "mask.png", "image/png"), Prompt: "a dog", ResponseFormat: openai.ImageEditParamsResponseFormatB64JSON,
	})
	check(err)
	picture(edit.Data[0].B64JSON)

	_, err = client.Images.Generate(ctx, openai.ImageGenerateParams{Prompt: "x", Size: "63x64"})
	var refused *openai.Error
	want(errors.As(err, &refused) && refused.StatusCode == 400 && refused.Param == "size", err)
	_, err = client.Images.Generate(ctx, openai.ImageGenerateParams{Prompt: "x", Model: "nothing"})
	want(errors.As(err, &refused) && refused.StatusCode == 404 && refused.Code == "model_not_found", err)
	fmt.Println("ok")
}

func picture(text string) []byte {
	data, err := base64.StdEncoding.DecodeString(text)
	check(err)
	_, err = png.Decode(bytes.NewReader(data))
	check(err)
	return data
}

func check(err error) {
	if err != nil {
		log.Output(2, err.Error())
		os.Exit(1)
	}
}

func want(ok bool, got any) {
	if !ok {
		log.Output(2, fmt.Sprint("unexpected: ", got))
		os.Exit(1)
	}
}
