package torch

import (
	"fmt"
	"strings"
	"unicode"
)

// kind is what a name in a pickle stands for.
type kind int

const (
	kindOpaque kind = iota
	kindDict
	kindSize
	kindTensor
	kindTypedTensor // of a storage of bytes
	kindSubclass    // of a tensor
	kindParameter
	kindStorage
)

// global is a name that a pickle imports; it stands for itself only.
type global struct {
	name  string
	kind  kind
	dtype string // of a storage
}

// known lists every name that means something. All others are opaque: what a
// pickle makes of them is read past, or refused; see harmful.
var known = map[string]global{
	"collections.OrderedDict":                             {kind: kindDict},
	"builtins.dict":                                       {kind: kindDict},
	"__builtin__.dict":                                    {kind: kindDict},
	"torch.Size":                                          {kind: kindSize},
	"torch._utils._rebuild_tensor":                        {kind: kindTensor},
	"torch._utils._rebuild_tensor_v2":                     {kind: kindTensor},
	"torch._utils._rebuild_tensor_v3":                     {kind: kindTypedTensor},
	"torch._tensor._rebuild_from_type_v2":                 {kind: kindSubclass},
	"torch._utils._rebuild_device_tensor_from_cpu_tensor": {kind: kindParameter},
	"torch._utils._rebuild_parameter":                     {kind: kindParameter},
	"torch._utils._rebuild_parameter_with_state":          {kind: kindParameter},
	"torch.FloatStorage":                                  {kind: kindStorage, dtype: "F32"},
	"torch.HalfStorage":                                   {kind: kindStorage, dtype: "F16"},
	"torch.BFloat16Storage":                               {kind: kindStorage, dtype: "BF16"},
	"torch.DoubleStorage":                                 {kind: kindStorage, dtype: "F64"},
	"torch.LongStorage":                                   {kind: kindStorage, dtype: "I64"},
	"torch.IntStorage":                                    {kind: kindStorage, dtype: "I32"},
	"torch.ShortStorage":                                  {kind: kindStorage, dtype: "I16"},
	"torch.CharStorage":                                   {kind: kindStorage, dtype: "I8"},
	"torch.QInt8Storage":                                  {kind: kindStorage, dtype: "I8"},
	"torch.ByteStorage":                                   {kind: kindStorage, dtype: "U8"},
	"torch.QUInt8Storage":                                 {kind: kindStorage, dtype: "U8"},
	"torch.QInt32Storage":                                 {kind: kindStorage, dtype: "I32"},
	"torch.BoolStorage":                                   {kind: kindStorage, dtype: "BOOL"},
	"torch.ComplexFloatStorage":                           {kind: kindStorage, dtype: "C64"},
	"torch.ComplexDoubleStorage":                          {kind: kindStorage, dtype: "C128"},
	"torch.storage.UntypedStorage":                        {kind: kindStorage, dtype: "U8"},
}

// lookUp finds a name.
func lookUp(module, name string) (global, error) {
	full := module + "." + name
	g, ok := known[full]
	if !ok && harmful(module, name) {
		return global{}, fmt.Errorf("the pickle names %s, which no checkpoint has a use for: the file may be meant to do harm; nothing was executed", plain(full))
	}
	g.name = full
	return g, nil
}

// harmful tells of names that checkpoints do not hold and attacks do. Nothing of
// a pickle is ever executed, whatever it names; this is for the user, who should
// know what kind of file it is. Of Python's own library only what holds plain
// values is let through, of all other packages what is not known to execute.
func harmful(module, name string) bool {
	full := module + "." + name
	top, _, _ := strings.Cut(module, ".")
	switch {
	case full == "" || strings.ContainsFunc(full, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }):
		return true
	case top == "builtins" || top == "__builtin__":
		return !plainTypes[name] && !unicode.IsUpper([]rune(name + " ")[0]) // exceptions and constants begin with capitals
	case library[top]:
		return !plainModules[top] && !plainNames[full]
	}
	return executing[top] || within(module, executingModules) || executingNames[full]
}

// within tells whether a module is one of some, or in one.
func within(module string, modules []string) bool {
	for _, m := range modules {
		if rest, ok := strings.CutPrefix(module, m); ok && (rest == "" || rest[0] == '.') {
			return true
		}
	}
	return false
}

func words(s string) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.Fields(s) {
		set[w] = true
	}
	return set
}

// plainTypes are the builtins that only hold values or refer to them.
var plainTypes = words(`set frozenset list tuple int long float complex bool str unicode bytes bytearray slice object range xrange
	getattr property staticmethod classmethod`)

// plainModules are those of Python's library that only hold values.
var plainModules = words(`collections datetime pathlib enum decimal fractions uuid argparse typing numbers ipaddress zoneinfo
	dataclasses abc itertools array string copyreg copy_reg`)

// plainNames are the harmless ones of other modules of Python's library.
var plainNames = words(`types.SimpleNamespace types.MappingProxyType types.GenericAlias time.struct_time random.Random re._compile re.Pattern
	_codecs.encode functools.partial functools.partialmethod operator.attrgetter operator.itemgetter
	logging.Logger logging.getLogger io.BytesIO io.StringIO _io.BytesIO _io.StringIO inspect.Signature inspect.Parameter
	signal.Signals weakref.WeakKeyDictionary weakref.WeakValueDictionary threading.Event socket.AddressFamily`)

// executing are other packages that run, load or fetch what they are told.
var executing = words(`pip setuptools pkg_resources distutils IPython ipykernel jupyter_core pytest _pytest nose cloudpickle dill joblib
	requests aiohttp httpx urllib3 httplib httplib2 urllib2 commands paramiko fabric invoke sh plumbum pexpect psutil gevent twisted tornado
	flask django jinja2 mako win32api win32com pywin32 cffi execnet pyximport Cython numba gradio`)

// executingModules are the same inside packages that checkpoints name.
var executingModules = []string{
	"numpy.testing", "numpy.f2py", "numpy.distutils", "torch.hub", "torch.jit", "torch.serialization", "torch.package", "torch.multiprocessing",
	"torch.utils.cpp_extension", "torch.utils.bottleneck", "torch.utils.collect_env", "torch.utils._config_module", "torch.utils.data.datapipes.utils.decoder",
	"torch.testing", "torch._inductor", "torch._dynamo", "torch.fx", "torch.distributed.rpc", "torch.distributed.run", "torch.distributed.launcher",
	"torch.distributed.elastic", "torch.ops", "torch._ops", "torch.onnx", "torch.utils.model_dump", "transformers.dynamic_module_utils", "tensorflow.python",
	"keras.src.saving", "keras.saving", "pandas.io", "pandas.eval", "pandas.core.computation", "sklearn.externals", "scipy.io", "PIL.ImageMath", "PIL.ImageShow",
}

var executingNames = words(`torch.load torch.save torch.compile numpy.load numpy.save numpy.fromfile numpy.memmap numpy.lib.npyio.load pandas.eval pandas.read_pickle
	keras.models.load_model tensorflow.io.read_file tensorflow.io.write_file`)

// library is Python's own, of any version.
var library = words(`__future__ _abc _aix_support _ast _asyncio _bisect _blake2 _bootsubprocess _bz2 _codecs _codecs_cn _collections
	_collections_abc _compat_pickle _compression _contextvars _crypt _csv _ctypes _curses _datetime _dbm _decimal _dummy_thread _dummy_threading
	_elementtree _frozen_importlib _frozen_importlib_external _functools _gdbm _hashlib _heapq _imp _interpreters _io _json _locale _lsprof _lzma
	_markupbase _md5 _multibytecodec _multiprocessing _opcode _operator _osx_support _pickle _posixshmem _posixsubprocess _py_abc _pydatetime
	_pydecimal _pyio _pyrepl _queue _random _scproxy _sha1 _sha2 _sha3 _signal _sitebuiltins _socket _sqlite3 _sre _ssl _stat _statistics _string
	_strptime _struct _symtable _thread _threading_local _tkinter _tokenize _tracemalloc _typing _uuid _warnings _weakref _weakrefset _winapi
	_winreg _xxsubinterpreters _zoneinfo abc aifc antigravity argparse array ast asynchat asyncio asyncore atexit audioop base64 bdb binascii
	binhex bisect bz2 calendar cgi cgitb chunk cmath cmd code codecs codeop collections colorsys compileall concurrent configparser contextlib
	contextvars copy copyreg copy_reg cPickle cProfile crypt csv ctypes curses dataclasses datetime dbm decimal difflib dis distutils doctest
	dummy_threading email encodings ensurepip enum errno faulthandler fcntl filecmp fileinput fnmatch formatter fractions ftplib functools gc
	genericpath getopt getpass gettext glob graphlib grp gzip hashlib heapq hmac html http idlelib imaplib imghdr imp importlib inspect io ipaddress
	itertools json keyword lib2to3 linecache locale logging lzma mailbox mailcap marshal math mimetypes mmap modulefinder msilib msvcrt
	multiprocessing netrc nis nntplib nt ntpath nturl2path numbers opcode operator optparse os ossaudiodev parser pathlib pdb pickle pickletools
	pipes pkgutil platform plistlib poplib posix posixpath pprint profile pstats pty pwd py_compile pyclbr pydoc pydoc_data pyexpat queue quopri
	random re readline reprlib resource rlcompleter runpy sched secrets select selectors shelve shlex shutil signal site smtpd smtplib sndhdr socket
	socketserver spwd sqlite3 sre_compile sre_constants sre_parse ssl stat statistics string stringprep struct subprocess sunau symbol symtable
	sys sysconfig syslog tabnanny tarfile telnetlib tempfile termios test textwrap this thread threading time timeit tkinter token tokenize tomllib trace
	traceback tracemalloc tty turtle turtledemo types typing unicodedata unittest urllib uu uuid venv warnings wave weakref webbrowser winreg
	winsound wsgiref xdrlib xml xmlrpc zipapp zipfile zipimport zlib zoneinfo`)
