// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"
)

func newCompletion(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print a script that completes this program's commands in a shell",
		Long:  `Prints a completion script for bash, zsh or fish on standard output. Load it in the shell's start file.`,
		Example: `  source <(aurigraph completion bash)
  aurigraph completion fish > ~/.config/fish/completions/aurigraph.fish`,
		Args:      args("SHELL"),
		ValidArgs: []string{"bash", "zsh", "fish"},
		RunE: func(cmd *cobra.Command, got []string) error {
			switch got[0] {
			case "bash":
				return cmd.Root().GenBashCompletionV2(a.out, true)
			case "zsh":
				return cmd.Root().GenZshCompletion(a.out)
			case "fish":
				return cmd.Root().GenFishCompletion(a.out, true)
			}
			return usage(cmd, "%q is none of bash, zsh and fish", got[0])
		},
	}
}
