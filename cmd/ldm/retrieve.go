package main

import (
	"fmt"
	"image"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/data"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/metric/compare"
	"github.com/ldm-go/ldm/metric/features"
	"github.com/ldm-go/ldm/output"
	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/retrieve"
	"github.com/ldm-go/ldm/tensor"
)

// retrievalFlags are what a retrieval-augmented model turns texts into vectors with.
type retrievalFlags struct {
	clip, database string
	neighbours     int

	given   func(flag string) bool
	encoder *features.Extractor
}

func (f *retrievalFlags) register(cmd *cobra.Command) {
	f.given = cmd.Flags().Changed
	cmd.Flags().StringVar(&f.clip, "clip", "", "CLIP for retrieval-augmented models: a file with its encoder of texts, in the names of OpenAI or of Hugging Face")
	cmd.Flags().StringVar(&f.database, "database", "", "database of pictures (ldm retrieve index) in which such models look for neighbours of the text")
	cmd.Flags().IntVar(&f.neighbours, "neighbours", 10, "how many of them, with --database")
}

// apply lets a model take texts.
func (f *retrievalFlags) apply(m *ldm.Model) error {
	switch takes := m.Network().TakesVectors(); {
	case !takes && (f.clip != "" || f.database != "" || f.given("neighbours")):
		return fault.Inputf("--clip, --database and --neighbours are for retrieval-augmented models, which this is not")
	case !takes:
		return nil
	case f.clip == "":
		return fault.Inputf("this model is conditioned on vectors of CLIP: want --clip, the file of the encoder that it was trained with")
	case f.database == "" && f.given("neighbours"):
		return fault.Inputf("--neighbours %d: want --database, to find them in", f.neighbours)
	}
	var db *retrieve.Database
	var err error
	n := 0
	if f.database != "" {
		if db, err = retrieve.Open(f.database); err != nil {
			return err
		}
		n = min(f.neighbours, db.Len())
		if f.given("neighbours") {
			n = f.neighbours
		}
	}
	if f.encoder, err = features.Open(f.clip, "", cpu.New(cpu.Options{}), engine.Options{}); err != nil {
		return err
	}
	return m.SetRetrieval(f.encoder, db, n)
}

func retrieveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "retrieve",
		Short: "Databases of pictures for retrieval-augmented models: make one, search in it",
	}
	cmd.AddCommand(retrieveIndex(), retrieveSearch())
	return cmd
}

// openCLIP opens the encoder of a database.
func openCLIP(path string, threads int) (*features.Extractor, error) {
	if path == "" {
		return nil, fault.Inputf("which encoder? want --clip, a file of CLIP in the names of OpenAI or of Hugging Face")
	}
	return features.Open(path, "", cpu.New(cpu.Options{Threads: threads}), engine.Options{})
}

func retrieveIndex() *cobra.Command {
	var clip, out string
	var half bool
	var threads int
	cmd := &cobra.Command{
		Use:   "index DIR",
		Short: "Make a database of the pictures of a folder",
		Long: `Turns every picture of a folder, and of those below it, into a vector of CLIP's picture
encoder, and writes them with the pictures' names as a safetensors file (the tensor
"embedding"). Pictures that cannot be read are named and left out.`,
		Example: "  ldm retrieve index paintings --clip ViT-L-14.pt -o paintings.safetensors",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := output.Check(out); err != nil {
				return err
			}
			e, err := openCLIP(clip, threads)
			if err != nil {
				return err
			}
			defer e.Close()
			files, err := data.Pictures([]string{args[0]})
			if err != nil {
				return err
			}
			var failed failures
			set, err := measure(cmd, e, compare.Files(args[0], files), &failed)
			if err != nil {
				return err
			}
			db, err := databaseOf(set, files, filepath.Base(clip))
			if err != nil {
				return err
			}
			kind := checkpoint.F32
			if half {
				kind = checkpoint.F16
			}
			if err := db.Save(out, kind); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %d pictures, %d numbers each\n", out, db.Len(), db.Width())
			return failed.err(db.Len()+failed.n, "pictures")
		},
	}
	cmd.Flags().StringVar(&clip, "clip", "", "file of CLIP, with its encoder of pictures")
	cmd.Flags().StringVarP(&out, "out", "o", "database.safetensors", "file to write")
	cmd.Flags().BoolVar(&half, "half", false, "write numbers of 16 bits: half the size")
	cmd.Flags().IntVarP(&threads, "threads", "t", 0, "threads (default: all processors)")
	return cmd
}

// databaseOf is a database of measured pictures.
func databaseOf(set *compare.Set, files []string, encoder string) (*retrieve.Database, error) {
	names := make([]string, len(set.Pictures))
	for i, p := range set.Pictures {
		names[i] = files[p]
	}
	return retrieve.New(tensor.Of(set.Features.Values, set.Features.N, set.Features.D), names, encoder)
}

func retrieveSearch() *cobra.Command {
	var clip, path string
	var k, threads int
	cmd := &cobra.Command{
		Use:     "search DATABASE [TEXT]",
		Short:   "List the pictures of a database that are nearest to a text or a picture",
		Example: "  ldm retrieve search paintings.safetensors \"a lighthouse\" --clip ViT-L-14.pt\n  ldm retrieve search paintings.safetensors --image photo.png --clip ViT-L-14.pt -k 5",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if (len(args) == 2) == (path != "") {
				return fault.Inputf("what to look for? want a text or --image, one of them")
			}
			db, err := retrieve.Open(args[0])
			if err != nil {
				return err
			}
			e, err := openCLIP(clip, threads)
			if err != nil {
				return err
			}
			defer e.Close()
			var q []float32
			if path != "" {
				img, err := picture.Decode(path)
				if err != nil {
					return err
				}
				vectors, _, err := e.Vectors(cmd.Context(), []*image.RGBA{picture.OnWhite(img)})
				if err != nil {
					return err
				}
				q = vectors[0]
			} else {
				if !e.Texts() {
					return fault.Inputf("%s holds no encoder of texts: want --image", clip)
				}
				if q, err = e.Text(cmd.Context(), args[1]); err != nil {
					return err
				}
			}
			near, err := db.Search(cmd.Context(), q, min(k, db.Len()))
			if err != nil {
				return err
			}
			for _, n := range near {
				fmt.Fprintf(cmd.OutOrStdout(), "%.4f\t%s\n", n.Cosine, printable(db.Name(n.Index)))
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&clip, "clip", "", "file of CLIP")
	cmd.Flags().StringVar(&path, "image", "", "the picture to look for, in place of a text")
	cmd.Flags().IntVarP(&k, "count", "k", 10, "how many pictures")
	cmd.Flags().IntVarP(&threads, "threads", "t", 0, "threads (default: all processors)")
	return cmd
}
