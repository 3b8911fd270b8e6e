//! May so many dollars be spent?

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use rebucket_manifest::args::submit::ConsentArgs;
use tokio_util::sync::CancellationToken;

use crate::commands::CommandError;

/// Dollars above which a person is asked who did not say otherwise.
const LIMIT: f64 = 10.0;

/// What follows from an estimate.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Decision {
    Go,
    Ask,
    Refuse { limit: f64 },
}

/// A limit that was given is one for scripts too; the built-in one only makes
/// sure that a person has seen the sum.
fn decide(args: &ConsentArgs, dollars: f64, terminal: bool) -> Decision {
    let limit = args.confirm_above.unwrap_or(LIMIT);
    if args.yes || dollars <= limit {
        Decision::Go
    } else if terminal {
        Decision::Ask
    } else if args.confirm_above.is_some() {
        Decision::Refuse { limit }
    } else {
        Decision::Go
    }
}

/// True when the job may be sent. Asks on a terminal.
///
/// # Errors
/// [`CommandError::Usage`] where nobody can be asked.
pub(super) async fn consent(
    args: &ConsentArgs,
    dollars: f64,
    stop: &CancellationToken,
) -> Result<bool, CommandError> {
    let terminal = io::stdin().is_terminal() && io::stderr().is_terminal();
    match decide(args, dollars, terminal) {
        Decision::Go => Ok(true),
        Decision::Refuse { limit } => Err(CommandError::Usage(format!(
            "the job is estimated at ${dollars:.2}, above --confirm-above {limit}, and there is no \
             terminal to ask on; nothing was sent: give --yes or a higher limit"
        ))),
        Decision::Ask => {
            // A terminal is read for good; a signal must not wait for it.
            let answer = tokio::task::spawn_blocking(move || ask(dollars));
            tokio::select! {
                answer = answer => answer?,
                () = stop.cancelled() => Ok(false),
            }
        }
    }
}

fn ask(dollars: f64) -> Result<bool, CommandError> {
    // Not locked while it waits: others have something to say meanwhile.
    write!(io::stderr(), "Send it, for about ${dollars:.2}? [y/N] ").ok();
    let mut answer = String::new();
    io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|error| CommandError::Usage(format!("the terminal cannot be read: {error}")))?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_asked_above_the_limit_and_a_script_is_held_to_one_it_gave() {
        let args = |confirm_above, yes| ConsentArgs { confirm_above, yes };
        let (go, ask) = (Decision::Go, Decision::Ask);
        let refuse = Decision::Refuse { limit: 3.0 };
        for (confirm_above, yes, dollars, terminal, expected) in [
            (None, false, 10.0, true, go),
            (None, false, 10.01, true, ask),
            (None, false, 10.01, false, go),
            (None, true, 10.01, true, go),
            (Some(3.0), false, 3.0, false, go),
            (Some(3.0), false, 3.01, true, ask),
            (Some(3.0), false, 3.01, false, refuse),
            (Some(3.0), true, 3.01, false, go),
            (Some(100.0), false, 50.0, true, go),
        ] {
            let decision = decide(&args(confirm_above, yes), dollars, terminal);
            assert_eq!(
                decision, expected,
                "{confirm_above:?} {yes} {dollars} {terminal}"
            );
        }
    }
}
