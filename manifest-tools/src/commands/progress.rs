//! The progress bar: on a terminal, and nowhere else.

use std::fmt::Write;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::words::rate;

/// A bar of `total` steps on standard error; hidden when that is no terminal.
pub(crate) fn progress_bar(total: u64, what: &'static str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(5));
    bar.set_style(rated(
        "{bar:30} {human_pos}/{human_len} {msg}  {rate}  {eta} left  {prefix}",
    ));
    bar.set_message(what);
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}

/// A style of this template, which may have `{rate}`.
pub(crate) fn rated(template: &str) -> ProgressStyle {
    // The templates are constants; a bar without one still counts.
    let style = ProgressStyle::with_template(template);
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    style.with_key("rate", |state: &ProgressState, out: &mut dyn Write| {
        write!(out, "{}", rate(state.per_sec())).ok();
    })
}
