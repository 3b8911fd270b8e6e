//! The checks of SQS.

mod batches;
mod leases;
mod messages;
mod place;
mod queues;

pub(crate) use place::Sqs;

use crate::check::{Check, Group};

/// All checks, in the order of the document.
pub(crate) const GROUPS: &[Group<Sqs>] = &[
    group("Messages", messages::CHECKS),
    group("Batches", batches::CHECKS),
    group("Visibility, handles, delays", leases::CHECKS),
    group("Queues, dead letters, FIFO", queues::CHECKS),
];

const fn group(title: &'static str, checks: &'static [Check<Sqs>]) -> Group<Sqs> {
    Group { title, checks }
}
