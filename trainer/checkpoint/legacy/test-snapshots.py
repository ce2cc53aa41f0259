"""Writes snapshots into the folder argv[1]: networks of random weights for the tables argv[2] at the level of detail argv[3]."""
import copy, hashlib, json, pickle, sys, types, warnings
import numpy as np
from collections import OrderedDict
import numpy._core.multiarray as multiarray, numpy._core.numeric as numeric
warnings.simplefilter('ignore')
folder, tables, lod = sys.argv[1], json.loads(sys.argv[2]), float(sys.argv[3])

tfutil = sys.modules['tfutil'] = types.ModuleType('tfutil')
class Network:
    def __getstate__(self): return self.state
    def __setstate__(self, state): self.state = state
Network.__module__ = 'tfutil'
tfutil.Network = Network

random = np.random.RandomState(5)
def network(name, table, **kwargs):
    made = Network()
    variables = [('lod', np.float32(lod))]
    variables += [(key, random.randn(*shape).astype(np.float32)) for key, shape in table]
    made.state = dict(version=2, name=name, static_kwargs=dict(num_channels=1, resolution=8, label_size=2, fmap_base=16, fmap_max=8, **kwargs),
        build_module_src=('import os\nos.system("touch ' + folder + '/was-run")\n') * 300, build_func_name=name[0] + '_paper', variables=variables)
    return made
networks = (network('G', tables['G'], latent_size=None), network('D', tables['D'], dtype='float32'), network('Gs', tables['G'], latent_size=None))

def write(name, value, protocol=4, **options):
    with open(f'{folder}/{name}.pkl', 'wb') as file: pickle.dump(value, file, protocol, **options)

def protocols(label):
    for protocol in (2, 3, 4, 5): write(f'{label}-protocol{protocol}', networks, protocol)
protocols('numpy2')
# The names under which NumPy 1 pickles.
for function in (multiarray._reconstruct, multiarray.scalar, numeric._frombuffer): function.__module__ = function.__module__.replace('_core', 'core')
protocols('numpy1')

def damaged(name, change, protocol=4, **options):
    copied = copy.deepcopy(networks)
    write(name, change(copied) or copied, protocol, **options)
def state(name, index=0, **change): damaged(name, lambda n: n[index].state.update(change))
def keyword(name, index=0, **change): damaged(name, lambda n: n[index].state['static_kwargs'].update(change))
def both(name, **change): damaged(name, lambda n: [one.state['static_kwargs'].update(change) for one in n] and None)
def variable(name, make, at=2, protocol=4, **options):
    def change(n):
        key, value = n[0].state['variables'][at]
        n[0].state['variables'][at] = (key, make(value))
    damaged(name, change, protocol, **options)
def variables(name, change, index=0): damaged(name, lambda n: change(n[index].state['variables']) and None)

damaged('two-networks', lambda n: n[:2])
damaged('no-tuple', lambda n: list(n))
damaged('ordered-dict', lambda n: n[0].state.update(static_kwargs=OrderedDict(n[0].state['static_kwargs'])))
write('no-network', (np.ones(3, np.float32),) * 3)
state('version-3', version=3)
state('other-builder', build_func_name='G_stylegan')
state('no-variables', variables=None)
keyword('unknown-option', use_truncation=True)
keyword('option-of-text', fmap_base='8192')
keyword('options-apart', index=1, fmap_max=4)
keyword('average-apart', index=2, use_pixelnorm=False)
both('resolution-12', resolution=12)
both('resolution-huge', resolution=2**40)
both('channels-4', num_channels=4)
both('proto-option', __proto__=1)
variable('float64', lambda v: v.astype(np.float64))
variable('big-endian', lambda v: v.astype('>f4'))
variable('float16', lambda v: v.astype(np.float16))
variable('objects', lambda v: v.astype(object))
variable('fortran', lambda v: np.asfortranarray(np.ones((3, 3, 8, 8), np.float32)), at=3)
variable('fortran-protocol5', lambda v: np.asfortranarray(np.ones((3, 3, 8, 8), np.float32)), at=3, protocol=5)
variable('other-shape', lambda v: v[:-1])
variable('not-a-number', lambda v: v * np.float32('nan'))
variable('list-for-array', lambda v: v.tolist())
variable('out-of-band', lambda v: v, protocol=5, buffer_callback=lambda buffer: False)
damaged('lod-9', lambda n: n[2].state['variables'].__setitem__(0, ('lod', np.float32(9))))
variables('missing', lambda v: v.pop())
variables('twice', lambda v: v.append(v[1]))
variables('unknown-variable', lambda v: v.append(('4x4/Extra/weight', np.ones(3, np.float32))))
variables('no-lod', lambda v: v.pop(0), 2)
def bomb(n):
    for one in n: one.state['build_module_src'] = ''
    return (n[0], n[1], n[0])
damaged('array-bomb', bomb)

class Reduce:
    def __init__(self, *reduced): self.reduced = reduced
    def __reduce__(self): return self.reduced
import os, builtins, functools, subprocess, operator
run = 'touch ' + folder + '/was-run'
for name, function, arguments in [('os-system', os.system, (run,)), ('eval', eval, ('__import__("os").system("' + run + '")',)), ('exec', exec, (run,)),
    ('getattr', getattr, (os, 'system')), ('popen', subprocess.Popen, (run,)), ('partial', functools.partial, (os.system, run)),
    ('import', __import__, ('os',)), ('attrgetter', operator.attrgetter, ('system',))]:
    for protocol in (2, 4):
        try: write(f'evil-{name}-{protocol}', (networks[0], Reduce(function, arguments), networks[2]), protocol)
        except TypeError: write(f'evil-{name}-{protocol}', (networks[0], Reduce(function, ('os', 'system')), networks[2]), protocol)

digest = lambda n: {key: hashlib.sha256(value.tobytes()).hexdigest() for key, value in n.state['variables'][1:]}
print(json.dumps({n.state['name']: digest(n) for n in networks}))
