"""What to think of a name that a model file imports: known, unknown or dangerous. Never "safe".

"known" is a narrow list on purpose. Whole libraries are not on it: numpy, pandas and scikit-learn all hold functions
that run or load code, and every one of their modules also exposes what it imports itself (`sklearn.x` + `os.system`).
"""

from __future__ import annotations

import re
from typing import Literal

Verdict = Literal["known", "unknown", "dangerous", "unreadable"]


def _words(table: str) -> frozenset[str]:
    return frozenset(table.split())


DANGEROUS_MODULES = _words("""
    os posix nt posixpath ntpath subprocess _posixsubprocess commands popen2 sys socket ssl http urllib urllib2 urllib3
    requests ftplib smtplib telnetlib nntplib xmlrpc webbrowser importlib imp pkgutil zipimport runpy pty shutil ctypes
    _ctypes cffi code codeop pdb bdb cProfile profile timeit trace doctest pydoc ensurepip pip venv distutils setuptools
    multiprocessing asyncio concurrent threading _thread signal inspect gc types marshal pickle _pickle cloudpickle dill
    shelve operator _operator functools io _io pathlib tempfile fileinput glob linecache platform sched idlelib lib2to3
    torch.load torch.hub torch.jit torch.utils.bottleneck
""")
# These alone do nothing: what they are given is listed too.
HARMLESS_IN_DANGEROUS = _words("""
    functools.partial operator.itemgetter types.SimpleNamespace pathlib.PosixPath pathlib.PurePosixPath
""")
SAFE_BUILTINS = _words("""
    object set frozenset list dict tuple int float complex bool str bytes bytearray slice range Ellipsis NotImplemented
    NoneType abs len max min sum round sorted reversed enumerate zip
""")
# Names that do harm in whatever module they are found.
DANGEROUS_NAMES = _words("""
    eval exec execfile compile open __import__ getattr setattr delattr globals locals vars input breakpoint
    system popen Popen spawn call check_call check_output getoutput getstatusoutput run run_code run_module run_path
    import_module load loads load_module reload read_pickle to_pickle read_csv fromfile tofile memmap genfromtxt
    loadtxt savetxt runstring exec_command rmtree unlink remove fork forkpty kill methodcaller attrgetter reduce
    __reduce__ __reduce_ex__ __getattribute__ __globals__ __subclasses__ __builtins__ __dict__ __class__ __code__
    FunctionType CodeType MethodType _fill_function _make_function _builtin_type
""")
KNOWN_NAMES = _words("""
    copyreg._reconstructor copyreg.__newobj__ _codecs.encode
    collections.OrderedDict collections.defaultdict collections.Counter collections.deque
    datetime.datetime datetime.date datetime.time datetime.timedelta datetime.timezone
    decimal.Decimal fractions.Fraction uuid.UUID array.array array._array_reconstructor random.Random
    joblib.numpy_pickle.NumpyArrayWrapper sklearn.externals.joblib.numpy_pickle.NumpyArrayWrapper
    numpy.ndarray numpy.dtype numpy.matrix numpy.ma.core.MaskedArray numpy.ma.core._mareconstruct
    numpy.random._pickle.__randomstate_ctor numpy.random._pickle.__generator_ctor
    numpy.random._pickle.__bit_generator_ctor numpy.random.__RandomState_ctor numpy.random._mt19937.MT19937
    numpy.random._pcg64.PCG64 numpy.random._philox.Philox numpy.random._sfc64.SFC64
    numpy.random.bit_generator.SeedSequence numpy.random.bit_generator.__pyx_unpickle_SeedSequence
    pandas._libs.internals._unpickle_block pandas._libs.arrays.__pyx_unpickle_NDArrayBacked
    pandas.core.internals.blocks.new_block pandas.core.indexes.base._new_Index
    pandas._libs.tslibs.timestamps._unpickle_timestamp
    sklearn.cluster._kmeans._kmeans_single_lloyd sklearn.cluster._kmeans._kmeans_single_elkan
    sklearn.feature_selection._mutual_info.mutual_info_classif
    sklearn.feature_selection._mutual_info.mutual_info_regression
    sklearn.feature_selection._univariate_selection.f_classif sklearn.feature_selection._univariate_selection.chi2
    sklearn.feature_selection._univariate_selection.f_regression
    sklearn.feature_selection._univariate_selection.f_oneway
    sklearn.feature_selection._univariate_selection.r_regression
    sklearn.feature_selection.univariate_selection.chi2
    sklearn.feature_selection.univariate_selection.f_classif
    sklearn.feature_selection.univariate_selection.f_regression
    scipy.sparse._csr.csr_matrix scipy.sparse._csc.csc_matrix scipy.sparse._coo.coo_matrix
    scipy.sparse._csr.csr_array scipy.sparse._csc.csc_array scipy.sparse._coo.coo_array
    scipy.sparse.csr.csr_matrix scipy.sparse.csc.csc_matrix scipy.sparse.coo.coo_matrix
    scipy._lib.array_api_compat.numpy._aliases.asarray
""")
_NUMPY_CORE = re.compile(r"numpy\.(_?core)\.(multiarray|numeric|_multiarray_umath)")
_NUMPY_CORE_NAMES = frozenset({"_reconstruct", "scalar", "_frombuffer", "_ufunc_reconstruct"})
_NUMPY_SCALARS = re.compile(
    r"(bool_?|u?int(8|16|32|64)|u?intc|u?intp|longlong|float(16|32|64)|longdouble|complex(64|128)|str_|bytes_|object_|"
    r"datetime64|timedelta64|nan|inf|log|log1p|log2|log10|exp|expm1|sqrt|cbrt|square|abs|absolute|sin|cos|tan|tanh|"
    r"mean|median|std|var|amax|amin|max|min|sum|ravel|nan_to_num|clip|sign|reciprocal)"
)
_CLASS = re.compile(r"_*[A-Z]\w*")
# Modules whose classes (names with a capital) are models and what models are made of.
_MODEL_MODULES = re.compile(
    r"sklearn\.(?!utils\._testing|utils\.testing|externals|datasets|tests|.*\.tests\b|conftest)[\w.]+"
    r"|sklearn\.externals\._packaging\.version"
    r"|scipy\.(sparse|stats|interpolate|spatial|special)(\.[\w.]+)?"
    r"|pandas\.(core\.(frame|series|generic|indexes|arrays|dtypes|internals)|_libs\.(internals|arrays|tslibs))(\.[\w.]+)?"
    r"|pandas"
    r"|xgboost\.(core|sklearn)|lightgbm\.(basic|sklearn)|catboost\.core|_catboost"
    r"|imblearn\.[\w.]+|category_encoders\.[\w.]+|sklearn_pandas\.[\w.]+"
)
_NOT_MODELS = _words("HDFStore ExcelFile ExcelWriter Path PosixPath Parallel Memory ThreadPool")
# Cython classes are rebuilt by functions with these names, which only make the class.
_CYTHON = re.compile(r"newObj|__pyx_unpickle_\w+")


def verdict_of(module: str, name: str) -> Verdict:
    """What is thought of `from module import name` in a model file."""
    full = f"{module}.{name}"
    parts = full.split(".")
    if full in HARMLESS_IN_DANGEROUS:
        return "unknown"
    if module in ("builtins", "__builtin__"):
        return "known" if name in SAFE_BUILTINS else "dangerous" if name in DANGEROUS_NAMES else "unknown"
    if full in KNOWN_NAMES:
        return "known"
    if module.startswith("<"):
        return "dangerous"
    if parts[0] in DANGEROUS_MODULES or any(full == bad or full.startswith(bad + ".") for bad in DANGEROUS_MODULES):
        return "dangerous"
    # A module reached through another one: the name, not the module path, is what the file asks for.
    if any(part in DANGEROUS_MODULES or part in DANGEROUS_NAMES for part in name.split(".")):
        return "dangerous"
    if "." in name:
        return "unknown"
    if _NUMPY_CORE.fullmatch(module) and name in _NUMPY_CORE_NAMES:
        return "known"
    if module in ("numpy", "numpy._core.numeric") and _NUMPY_SCALARS.fullmatch(name):
        return "known"
    makes_model = _CLASS.fullmatch(name) or _CYTHON.fullmatch(name)
    if makes_model and _MODEL_MODULES.fullmatch(module) and name not in _NOT_MODELS:
        return "known"
    return "unknown"
