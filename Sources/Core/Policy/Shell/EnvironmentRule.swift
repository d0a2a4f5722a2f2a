// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// V3: variables that change which code a program runs.
public enum EnvironmentRule {
    /// Refused in every mode: hardly ever set but to slip code into another program.
    private static let loaders: Set<String> = [
        "BASH_ENV", "BASHOPTS", "GCONV_PATH", "PERL5DB", "PERL5OPT", "PROMPT_COMMAND", "PS4", "PYTHONSTARTUP",
        "RUBYOPT", "SHELLOPTS",
    ]
    private static let prefixes = ["LD_", "DYLD_", "BASH_FUNC_", "GLIBC_TUNABLES"]
    /// Refused where only plain commands are let through: scripts have honest uses for these.
    private static let others: Set<String> = [
        "BROWSER", "CDPATH", "CLASSPATH", "EDITOR", "ENV", "FPATH", "GEM_PATH", "GIT_ASKPASS", "GIT_CONFIG",
        "GIT_CONFIG_COUNT", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_PARAMETERS", "GIT_CONFIG_SYSTEM", "GIT_EDITOR",
        "GIT_EXEC_PATH", "GIT_EXTERNAL_DIFF", "GIT_PAGER", "GIT_PROXY_COMMAND", "GIT_SEQUENCE_EDITOR", "GIT_SSH",
        "GIT_SSH_COMMAND", "GIT_TEMPLATE_DIR", "GLOBIGNORE", "HISTFILE", "HOSTALIASES", "IFS", "JAVA_TOOL_OPTIONS",
        "JDK_JAVA_OPTIONS", "LESSCLOSE", "LESSOPEN", "LOCPATH", "LUA_CPATH", "LUA_INIT", "LUA_PATH", "MAILCAPS",
        "MALLOC_TRACE", "MANPAGER", "NLSPATH", "NODE_OPTIONS", "NODE_PATH", "OPENSSL_CONF", "OPENSSL_ENGINES",
        "OPENSSL_MODULES", "PAGER", "PATH", "PERL5LIB", "PERLLIB", "PERL_MM_OPT", "PHPRC", "PHP_INI_SCAN_DIR", "PS0",
        "PS1", "PS2", "PYTHONBREAKPOINT", "PYTHONEXECUTABLE", "PYTHONHOME", "PYTHONINSPECT", "PYTHONPATH",
        "PYTHONUSERBASE", "PYTHONWARNINGS", "RESOLV_HOST_CONF", "RSYNC_RSH", "RUBYLIB", "SHELL", "SSH_ASKPASS",
        "SUDO_ASKPASS", "SUDO_EDITOR", "SYSTEMD_EDITOR", "SYSTEMD_PAGER", "TAR_OPTIONS", "TERMINFO", "TERMINFO_DIRS",
        "VISUAL", "ZDOTDIR", "_JAVA_OPTIONS",
    ]

    /// Whether a variable may not be given to a program.
    public static func isRefused(_ name: String, mode: GuardMode) -> Bool {
        if loaders.contains(name) || prefixes.contains(where: { name.hasPrefix($0) }) { return true }
        return mode.allowsOnlyPlainCommands && others.contains(name)
    }
}

extension GuardMode {
    /// Whether V2 holds: one pipeline and nothing that could start a second command.
    var allowsOnlyPlainCommands: Bool { self == .noInjection || self == .whitelist }
}
