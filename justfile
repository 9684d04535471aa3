# Shortcuts; each is one command that can also be typed.

# Lists the recipes.
default:
    @just --list

# Everything that CI runs.
ci:
    .ci/run

# What a change needs before it is shown to anybody.
quick:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    cargo xtask tidy
    cargo test --workspace

# The tools of the gates, pinned as in CI.
tools:
    cargo install --locked --root target/tools cargo-deny --version 0.20.2
    cargo install --locked --root target/tools gungraun-runner --version 0.20.0

# The programs of others that the tests of telemetry are held against.
real-parts:
    .ci/real_parts

# Every test that is too slow for each change, in its long form.
slow:
    cargo test --release --workspace -- --ignored

# The slow tests in their short form, as in CI.
slow-ci:
    cargo test --workspace -- --ignored bounded::

# Rewrites what is generated: schemas, the protocol's code and the table of dependencies.
generate:
    cargo xtask schema
    cargo xtask codegen
    cargo xtask tidy --write

# Time and instructions of the parts.
bench:
    cargo bench --package loadgen-benches --bench micro
    cargo xtask gates

# The figures of the whole program, on a quiet machine.
bench-system:
    benches/system/run

# The same load by other tools, in the same run.
bench-peers:
    benches/peers/run
