//! The plugin alone, for the suite that runs it as the container runtime does.

fn main() -> std::process::ExitCode {
    knarr_network::cni::main()
}
