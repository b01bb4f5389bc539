//! Desktop bot.
