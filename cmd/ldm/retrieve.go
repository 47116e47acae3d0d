package main

import (
	"fmt"
	"image"
	"os"
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
	clip, database, search string
	neighbours             int

	given   func(flag string) bool
	encoder *features.Extractor
}

func (f *retrievalFlags) register(cmd *cobra.Command) {
	f.given = cmd.Flags().Changed
	cmd.Flags().StringVar(&f.clip, "clip", "", "CLIP for retrieval-augmented models: a file with its encoder of texts, in the names of OpenAI or of Hugging Face")
	cmd.Flags().StringVar(&f.database, "database", "", "database of pictures (ldm retrieve index) in which such models look for neighbours of the text")
	cmd.Flags().IntVar(&f.neighbours, "neighbours", 10, "how many of them, with --database")
	cmd.Flags().StringVar(&f.search, "search", "auto", "how they are looked for: "+searchHelp)
}

// searchHelp says how neighbours are looked for.
const searchHelp = "exact; approximate, by the index of the database; or auto: approximate where there are more than a million pictures and an index"

// searched opens a database to be searched in by a method.
func searched(path, method string) (*retrieve.Database, error) {
	m, err := retrieve.ParseMethod(method)
	if err != nil {
		return nil, fault.Inputf("--%w", err)
	}
	db, err := retrieve.Open(path)
	if err != nil {
		return nil, err
	}
	if db.Len() > retrieve.Large && !db.Indexed() && m == retrieve.Auto {
		status(fmt.Sprintf("%s has %d pictures and no index, and is searched whole: ldm retrieve index %s --approximate -o NEW gives it one", path, db.Len(), path))
	}
	return db, db.SetMethod(m)
}

// apply lets a model take texts.
func (f *retrievalFlags) apply(m *ldm.Model) error {
	switch takes := m.Network().TakesVectors(); {
	case !takes && (f.clip != "" || f.database != "" || f.given("neighbours") || f.given("search")):
		return fault.Inputf("--clip, --database, --neighbours and --search are for retrieval-augmented models, which this is not")
	case !takes:
		return nil
	case f.clip == "":
		return fault.Inputf("this model is conditioned on vectors of CLIP: want --clip, the file of the encoder that it was trained with")
	case f.database == "" && (f.given("neighbours") || f.given("search")):
		return fault.Inputf("--neighbours and --search want --database, to find them in")
	}
	var db *retrieve.Database
	var err error
	n := 0
	if f.database != "" {
		if db, err = searched(f.database, f.search); err != nil {
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
	var half, approximate bool
	var threads int
	cmd := &cobra.Command{
		Use:   "index DIR",
		Short: "Make a database of the pictures of a folder",
		Long: `Turns every picture of a folder, and of those below it, into a vector of CLIP's picture
encoder, and writes them with the pictures' names as a safetensors file (the tensor
"embedding"). Pictures that cannot be read are named and left out. With --approximate, and
for more than a million pictures, the database gets an index, by which neighbours are
found fast and nearly all. A database in place of DIR is given one.`,
		Example: "  ldm retrieve index paintings --clip ViT-L-14.pt -o paintings.safetensors\n  ldm retrieve index paintings.safetensors --approximate -o indexed.safetensors",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := output.Check(out); err != nil {
				return err
			}
			var failed failures
			db, err := databaseFrom(cmd, args[0], clip, threads, approximate, &failed)
			if err != nil {
				return err
			}
			if approximate || db.Len() > retrieve.Large && !cmd.Flags().Changed("approximate") {
				if err := indexed(cmd, db); err != nil {
					return err
				}
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
	cmd.Flags().BoolVar(&approximate, "approximate", false, "with an index for approximate search (default: for more than a million pictures)")
	cmd.Flags().BoolVar(&half, "half", false, "write numbers of 16 bits: half the size")
	cmd.Flags().IntVarP(&threads, "threads", "t", 0, "threads (default: all processors)")
	return cmd
}

// databaseFrom makes a database of a folder's pictures, or reads one that is to have an index.
func databaseFrom(cmd *cobra.Command, path, clip string, threads int, approximate bool, failed *failures) (*retrieve.Database, error) {
	if st, err := os.Stat(path); err == nil && !st.IsDir() {
		if clip != "" || !approximate {
			return nil, fault.Inputf("%s is a file: want a folder of pictures and --clip, or --approximate alone for a database", path)
		}
		return retrieve.Open(path)
	}
	e, err := openCLIP(clip, threads)
	if err != nil {
		return nil, err
	}
	defer e.Close()
	files, err := data.Pictures([]string{path})
	if err != nil {
		return nil, err
	}
	set, err := measure(cmd, e, compare.Files(path, files), failed)
	if err != nil {
		return nil, err
	}
	return databaseOf(set, files, filepath.Base(clip))
}

// indexed gives a database an index.
func indexed(cmd *cobra.Command, db *retrieve.Database) error {
	m := newMeter("indexing", db.Len(), "pictures")
	defer m.Close()
	return db.Index(cmd.Context(), func(done float64) { m.Set(done * float64(db.Len())) })
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
	var clip, path, method string
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
			db, err := searched(args[0], method)
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
	cmd.Flags().StringVar(&method, "search", "auto", "how they are looked for: "+searchHelp)
	cmd.Flags().IntVarP(&threads, "threads", "t", 0, "threads (default: all processors)")
	return cmd
}
