package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

func newList(sources fs.FS) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the images, what each of them is, and whether it is in the cache",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return list(cmd.Context(), sources, cmd.OutOrStdout())
		},
	}
}

func list(ctx context.Context, sources fs.FS, out io.Writer) (err error) {
	session, err := open(ctx, sources)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, session.store.Close()) }()
	assembler := session.assembler(".", func(string) {})
	// The table keeps what it is given; Flush reports whether it could be written.
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	_, _ = fmt.Fprintln(table, "NAME\tVERSION\tWHAT\tCACHED\tSIZE\tDESCRIPTION")
	for _, wanted := range session.catalogue {
		image, err := assembler.Find(wanted)
		if err != nil {
			return err
		}
		cached, size := "no", "-"
		if image != nil {
			cached, size = "yes", megabytes(image.Bytes)
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", wanted.Name, wanted.Tag, wanted.Nature, cached, size, wanted.Description)
	}
	return table.Flush()
}
