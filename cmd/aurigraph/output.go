// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// print shows a value: as one line of JSON, or by its table.
func (a *app) print(v any, table func(row func(cells ...any))) error {
	if a.json {
		text, err := json.Marshal(v)
		if err != nil {
			return fault.Wrap(fault.Internal, err, "encode the answer")
		}
		_, err = fmt.Fprintln(a.out, string(text))
		return err
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	table(func(cells ...any) {
		for i, c := range cells {
			if i > 0 {
				fmt.Fprint(w, "\t")
			}
			fmt.Fprint(w, c)
		}
		fmt.Fprintln(w)
	})
	return w.Flush()
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
