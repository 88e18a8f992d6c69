// A module of its own, so that the project does not depend on Grafana's types.
module github.com/envgraft/envgraft/test/dashboard

go 1.26.0

require github.com/grafana/grafana-foundation-sdk/go v0.0.22
