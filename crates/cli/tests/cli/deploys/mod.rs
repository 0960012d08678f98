//! Releases that are replaced while clients of every kind ask, releases that are bad in every way,
//! and everything at once in any order.

mod account;
mod bad;
mod clients;
mod house;
mod instance;
mod matrix;
