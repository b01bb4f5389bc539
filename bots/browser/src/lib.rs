//! Browser bot.
