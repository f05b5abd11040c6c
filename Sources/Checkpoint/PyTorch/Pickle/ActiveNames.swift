// Names that do something when a pickle calls them: run commands or code, open files or connections, load other pickles.
// By these, and by nothing else, a file is held to be hostile: a name that is merely not known here is no sign of anything.
// Not complete, and need not be: every name that is not on the list of AllowedGlobal is refused all the same.
// Sources: CPython's library reference, by module; torch's and numpy's functions that load pickles.

/// What names do that no weight file needs.
enum ActiveNames {
  private struct Entry {
    let deed: String
    /// Modules of which every name counts, those below them included.
    var modules: Set<String> = []
    /// Names with their modules.
    var names: Set<String> = []
  }

  private static let entries: [Entry] = [
    Entry(
      deed: "runs commands",
      modules: ["os", "posix", "nt", "subprocess", "popen2", "pty", "_posixsubprocess", "pexpect"],
      names: [
        "commands.getoutput", "commands.getstatusoutput", "asyncio.create_subprocess_shell",
        "asyncio.create_subprocess_exec", "platform.popen", "torch.utils.collect_env.run",
      ]),
    Entry(
      deed: "runs code",
      modules: [
        "runpy", "pdb", "bdb", "cProfile", "doctest", "idlelib", "lib2to3", "ensurepip", "pip", "pydoc", "venv",
      ],
      names: [
        "builtins.eval", "builtins.exec", "builtins.compile", "builtins.execfile", "builtins.breakpoint",
        "builtins.input", "builtins.apply", "types.FunctionType", "types.CodeType", "types.LambdaType",
        "code.interact", "code.InteractiveInterpreter", "code.InteractiveConsole", "timeit.timeit", "timeit.repeat",
        "timeit.Timer", "timeit.main", "profile.run", "profile.runctx", "profile.Profile", "trace.Trace",
        "torch.jit.unsupported_tensor_ops.execWrapper", "torch._dynamo.guards.GuardBuilder.get",
        "torch.fx.experimental.symbolic_shapes.ShapeEnv.evaluate_guards_expression",
        "torch.utils.bottleneck.__main__.run_autograd_prof", "torch.utils.bottleneck.__main__.run_cprofile",
        "torch.utils._config_module.load_config", "numpy.testing._private.utils.runstring",
        "numpy.f2py.crackfortran.myeval", "numpy.f2py.crackfortran.param_eval",
      ]),
    Entry(
      deed: "imports whatever it is told", modules: ["importlib", "imp", "pkgutil", "zipimport"],
      names: ["builtins.__import__", "builtins.reload"]),
    Entry(
      deed: "calls machine code", modules: ["ctypes", "_ctypes", "cffi"],
      names: ["torch.ops.load_library", "torch.classes.load_library", "numpy.ctypeslib.load_library"]),
    Entry(
      deed: "loads other files or pickles", modules: ["torch.hub"],
      names: [
        "pickle.load", "pickle.loads", "pickle.Unpickler", "_pickle.load", "_pickle.loads", "_pickle.Unpickler",
        "cPickle.load", "cPickle.loads", "dill.load", "dill.loads", "marshal.load", "marshal.loads", "shelve.open",
        "cloudpickle.load", "cloudpickle.loads", "joblib.load", "pandas.read_pickle", "numpy.load", "torch.load",
        "torch.serialization.load", "torch.jit.load", "torch.utils.model_zoo.load_url",
      ]),
    Entry(
      deed: "opens files, or changes them", modules: ["shutil", "tempfile", "fileinput"],
      names: [
        "builtins.open", "builtins.file", "io.open", "_io.open", "io.FileIO", "_io.FileIO", "codecs.open",
        "logging.FileHandler", "tarfile.open", "zipfile.ZipFile", "numpy.fromfile", "numpy.memmap", "torch.save",
        "torch.from_file",
      ]),
    Entry(
      deed: "opens connections",
      modules: [
        "socket", "_socket", "urllib", "urllib2", "http", "httplib", "httplib2", "requests", "aiohttp", "ftplib",
        "smtplib", "poplib", "imaplib", "nntplib", "telnetlib", "xmlrpc", "webbrowser", "socketserver", "paramiko",
      ]),
    Entry(
      deed: "changes the program that loads it", modules: ["signal", "atexit"],
      names: [
        "builtins.setattr", "builtins.delattr", "builtins.globals", "builtins.vars", "builtins.locals", "sys.modules",
        "sys.exit", "sys.path", "sys.meta_path", "sys.path_hooks", "sys.settrace", "sys.setprofile",
      ]),
    Entry(
      deed: "fetches whatever it is told, or calls it",
      names: [
        "operator.attrgetter", "operator.methodcaller", "_operator.attrgetter", "_operator.methodcaller",
        "operator.call", "_operator.call", "functools.reduce", "_functools.reduce",
      ]),
  ]

  /// Names of those modules that are data, as settings have them.
  private static let data: Set<String> = [
    "os.PathLike", "os._Environ", "os.stat_result", "posix.stat_result", "os.terminal_size", "urllib.parse.ParseResult",
    "urllib.parse.SplitResult", "http.HTTPStatus",
  ]

  /// What a name does; nil for one that is not known to do anything.
  static func deed(of module: String, _ name: String) -> String? {
    let module = module == "__builtin__" ? "builtins" : module
    let full = "\(module).\(name)"
    guard !data.contains(full) else { return nil }
    // `os.path` and whatever lies below a module, also by way of a name with dots.
    let parts = full.split(separator: ".", omittingEmptySubsequences: false)
    let prefixes = (1..<max(2, parts.count)).map { parts.prefix($0).joined(separator: ".") }
    return entries.first { entry in
      entry.names.contains(full) || prefixes.contains { entry.modules.contains($0) }
    }?.deed
  }
}

extension PickleGlobal {
  /// What it does that no weight file needs, where that is known: "runs commands".
  public var deed: String? { isAllowed ? nil : ActiveNames.deed(of: module, name) }
}
