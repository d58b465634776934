//! The `twocan` command: arguments, logging, hand over to the subcommand.

use std::process::ExitCode;

use clap::Parser;
use twocan::cli::{camera, listen, talk, viewer};

/// A video phone whose string is SSH.
#[derive(Parser)]
#[command(version)]
enum Twocan {
    /// Send a camera's pictures on plain TCP.
    Camera(camera::Args),
    /// Show the pictures that come on plain TCP.
    Viewer(viewer::Args),
    /// Send what a microphone hears on plain TCP.
    Talk(talk::Args),
    /// Play the sound that comes on plain TCP.
    Listen(listen::Args),
}

fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let done = match Twocan::parse() {
        Twocan::Camera(args) => camera::run(args),
        Twocan::Viewer(args) => viewer::run(args, None),
        Twocan::Talk(args) => talk::run(args),
        Twocan::Listen(args) => listen::run(args),
    };
    done.unwrap_or_else(|error| {
        eprintln!("twocan: {error:#}");
        ExitCode::FAILURE
    })
}
