//! Properties: what holds for every process, every order of inputs and every failure; see the README for the list.

mod children;
mod generate;
mod orders;
mod random;
