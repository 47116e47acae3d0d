package main

import (
	"errors"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/unet"
)

// saved is what the flags buy speed with.
func (f *drawFlags) saved(cmd *cobra.Command) (s ldm.Savings, err error) {
	s = f.savings
	given := cmd.Flags().Changed
	switch {
	case given("token-merging") && !(s.MergeTokens >= 0 && s.MergeTokens <= unet.MostMerged):
		return s, fault.Inputf("--token-merging %g: want a share from 0 to %g", s.MergeTokens, unet.MostMerged)
	case given("adaptive-guidance") && !(s.AdaptiveGuidance > 0 && s.AdaptiveGuidance <= 1):
		return s, fault.Inputf("--adaptive-guidance %g: want a cosine similarity above 0, at most 1", s.AdaptiveGuidance)
	}
	s.DeepCache, err = parseDeepCache(f.deep)
	return s, err
}

// parseDeepCache reads 3, or 3,2.
func parseDeepCache(text string) (d ldm.DeepCache, err error) {
	if text == "" {
		return d, nil
	}
	interval, branch, two := strings.Cut(text, ",")
	var errs [2]error
	d.Interval, errs[0] = strconv.Atoi(strings.TrimSpace(interval))
	if two {
		d.Branch, errs[1] = strconv.Atoi(strings.TrimSpace(branch))
	}
	if errors.Join(errs[0], errs[1]) != nil || d.Interval < 2 || two && d.Branch < 1 {
		return d, fault.Inputf("--deep-cache %s: want how many evaluations share deep features, 2 or more, as 3; or 3,2 with a branch from 1", text)
	}
	return d, nil
}
