//go:build tools

// Package tools names the programs that go.mod pins.
package tools

import (
	_ "github.com/docker/buildx/cmd/buildx"
	_ "github.com/docker/compose/v2/cmd"
	_ "github.com/moby/buildkit/cmd/buildctl"
	_ "github.com/moby/buildkit/cmd/buildkitd"
)
