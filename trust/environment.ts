/**
 * The environment of a trainer: what GPUs, schedulers and libraries need of the worker's, what the operator passes on by
 * name, what the study sets, and nothing else. A worker's own credentials never reach a trainer.
 */
import type { CommandTrainer } from '../core/study.js';
import { readSecret } from './secrets.js';

/** Passed on where the worker has them. */
const passedNames = new Set(
  (
    'PATH HOME USER LOGNAME SHELL LANG LANGUAGE TZ TMPDIR TEMP TMP TERM HOSTNAME LD_LIBRARY_PATH DYLD_LIBRARY_PATH DYLD_FALLBACK_LIBRARY_PATH ' +
    'VIRTUAL_ENV PYENV_VERSION PYENV_ROOT MODULEPATH LOADEDMODULES CC CXX RANK LOCAL_RANK WORLD_SIZE LOCAL_WORLD_SIZE MASTER_ADDR MASTER_PORT JOB_ID NSLOTS PE_HOSTFILE PYTHONPATH PYTHONHOME PYTHONUSERBASE PYTHONHASHSEED PYTHONUTF8 PYTHONWARNINGS PYTHONNOUSERSITE PYTHONDONTWRITEBYTECODE NODE_PATH NODE_ENV ' +
    'HTTP_PROXY HTTPS_PROXY NO_PROXY ALL_PROXY FTP_PROXY http_proxy https_proxy no_proxy all_proxy ftp_proxy ' +
    'SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE CURL_CA_BUNDLE NODE_EXTRA_CA_CERTS ' +
    // The folder of downloads, which says nothing of anybody: the demo's trainer finds its images there.
    'EVERBAND_CACHE ' +
    'HF_HOME HF_DATASETS_CACHE HF_HUB_OFFLINE TRANSFORMERS_CACHE TRANSFORMERS_OFFLINE KERAS_HOME MPLBACKEND MPLCONFIGDIR NLTK_DATA ' +
    'SYSTEMROOT SYSTEMDRIVE COMSPEC PATHEXT WINDIR APPDATA LOCALAPPDATA USERPROFILE PROGRAMDATA PROGRAMFILES'
  ).split(' ')
);
const passedPrefixes = (
  'CUDA_ CUDNN_ CUBLAS_ NVIDIA_ NCCL_ NVSHMEM_ ROCR_ ROCM_ ROCBLAS_ HIP_ HSA_ MIOPEN_ RCCL_ GPU_ ONEAPI_ SYCL_ ZE_ TPU_ XLA_ JAX_ TF_ TORCH_ TORCHINDUCTOR_ PYTORCH_ ' +
  'TRITON_ OMP_ KMP_ GOMP_ MKL_ OPENBLAS_ GOTO_ BLIS_ NUMEXPR_ VECLIB_ TBB_ NUMBA_ UCX_ GLOO_ FI_ OMPI_ PMI_ PMIX_ PRTE_ I_MPI_ MPICH_ MV2_ ' +
  'SLURM_ SBATCH_ PBS_ LSB_ SGE_ FLUX_ CONDA_ MAMBA_ LC_ XDG_'
).split(' ');

/** A name that looks like a credential's is not passed on by its prefix: SLURM_JWT is one. */
const credential = /(KEY|TOKEN|SECRET|PASS(WORD|WD|PHRASE)?|CREDENTIAL|JWT|AUTH|COOKIE)S?($|_)/i;

/** The worker's own: never a trainer's, whoever asks for it, but for the folder of downloads. */
const ours = /^(TEMPORAL_|EVERBAND_)/i;

/** Names that say what code is run or where it is found. */
const codeNames = new Set(
  (
    'PATH HOME USERPROFILE SHELL ENV BASH_ENV BASHOPTS SHELLOPTS PS4 IFS CDPATH PROMPT_COMMAND ZDOTDIR FPATH CLASSPATH JAVA_TOOL_OPTIONS JDK_JAVA_OPTIONS _JAVA_OPTIONS ' +
    'JAVA_HOME PERL5LIB PERLLIB PERL5OPT PERL5DB RUBYLIB RUBYOPT RUBYSHELL PHPRC PHP_INI_SCAN_DIR GCONV_PATH GETCONF_DIR GLIBC_TUNABLES LOCPATH NLSPATH ' +
    'MALLOC_TRACE RESOLV_HOST_CONF HOSTALIASES TERMINFO TERMINFO_DIRS TERMCAP EDITOR VISUAL PAGER BROWSER VIRTUAL_ENV OMP_TOOL_LIBRARIES KMP_DLOPEN ' +
    'CUDA_INJECTION64_PATH CUDA_INJECTION32_PATH NVTX_INJECTION64_PATH NCCL_NET_PLUGIN NCCL_TUNER_PLUGIN NCCL_PROFILER_PLUGIN NCCL_CONF_FILE UCX_MODULE_DIR ' +
    'OPENSSL_CONF OPENSSL_MODULES OPENSSL_ENGINES SSLKEYLOGFILE CC CXX CPP LD AS AR NVCC MAKEFILES MAKEFLAGS MPLBACKEND OCL_ICD_VENDORS PJRT_NAMES_AND_LIBRARY_PATHS DOTNET_STARTUP_HOOKS CORECLR_PROFILER_PATH SYSTEMROOT COMSPEC PATHEXT TORCH_EXTENSIONS_DIR TF_PLUGGABLE_DEVICE_LIBRARY_PATH'
  ).split(' ')
);
const codePrefixes =
  'LD_ DYLD_ PYTHON NODE_ NPM_ UV_ PIP_ PIPX_ POETRY_ CONDA_ MAMBA_ BUNDLE_ GEM_ LUA_ JULIA_ R_ GIT_ COREPACK_ DENO_ BUN_ XDG_ BASH_FUNC_ GIO_ GTK_ QT_ COMPLUS_ HSA_TOOLS_ ROCP_ OMPI_MCA_ PMIX_MCA_ PRTE_MCA_ TS_NODE_ PYENV_ RBENV_ DOCKER_ APPTAINER SINGULARITY TRITON_ TORCHINDUCTOR_ SLURM_TASK_'.split(
    ' '
  );
/** Of those, the ones that only say how the interpreter behaves. */
const harmless = new Set(
  'PYTHONUNBUFFERED PYTHONHASHSEED PYTHONUTF8 PYTHONIOENCODING PYTHONDONTWRITEBYTECODE PYTHONFAULTHANDLER PYTHONNOUSERSITE PYTHONSAFEPATH PYTHONDEVMODE NODE_ENV CONDA_DEFAULT_ENV'.split(
    ' '
  )
);

/** Words in names that say where something is found or how a tool is called. */
const codeWords =
  /(^|_)(PATH|PATHS|PRELOAD|PLUGINS?|LIBRAR(Y|IES)|LIBS?|OPTIONS?|OPTS|FLAGS|CONF(IG)?|HOOKS?|PROLOG|EPILOG|STARTUP|REQUIRE|HOME|ROOT|PREFIX|CACHE_DIR|COMPILER|LOADER|MODULES?|PROXY_COMMAND|COMMAND|EXEC|SHELL|BIN)($|_)/;

/** Whether a name in the environment may make a program run other code than it would; allowed only by name. */
export function loadsCode(name: string): boolean {
  const upper = name.toUpperCase();
  if (harmless.has(upper)) return false;
  if (ours.test(upper) || codeNames.has(upper) || codeWords.test(upper)) return true;
  return codePrefixes.some((prefix) => upper.startsWith(prefix));
}

/** Whether a trainer may never have a worker's variable of this name. */
export function neverPassed(name: string): boolean {
  return ours.test(name) && !passedNames.has(name);
}

/** Names of the worker's environment that its trainers get, in order. `more`: passed by the operator, by name. */
export function passedOn(environment: NodeJS.ProcessEnv, more: readonly string[] = []): string[] {
  return Object.keys(environment)
    .filter((name) => {
      if (neverPassed(name)) return false;
      if (more.includes(name) || passedNames.has(name)) return true;
      return passedPrefixes.some((prefix) => name.startsWith(prefix)) && !credential.test(name);
    })
    .sort();
}

/** A trainer's environment, and the values in it that must never be shown. */
export interface TrainerEnvironment {
  readonly env: Readonly<Record<string, string>>;
  readonly secrets: readonly string[];
}

/** @throws {SecretError} for a secret that this worker does not have */
export function environmentOf(
  set: CommandTrainer['env'],
  { stateDir, passEnv = [] }: { readonly stateDir: string; readonly passEnv?: readonly string[] | undefined }
): TrainerEnvironment {
  const env: Record<string, string> = {};
  const secrets: string[] = [];
  for (const name of passedOn(process.env, passEnv)) {
    const value = process.env[name] as string;
    env[name] = value;
    if (credential.test(name)) secrets.push(value);
    // A proxy may be named with a password.
    const [, password] = /^\w+:\/\/[^/@]*:([^/@]+)@/.exec(value) ?? [];
    if (password !== undefined) secrets.push(password);
  }
  for (const [name, value] of Object.entries(set)) {
    env[name] = typeof value === 'string' ? value : readSecret(stateDir, value.secret);
    if (typeof value !== 'string') secrets.push(env[name]);
  }
  return { env, secrets };
}
