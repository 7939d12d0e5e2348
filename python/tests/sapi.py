"""D-Wave's solver service on loopback, as much of it as its client asks for: one chip, problems, a bill."""

import base64
import json
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

import dimod
import numpy
from dwave.samplers import SteepestDescentSampler
from dwave.system.testing import MockDWaveSampler

TOKEN = "XYZ-secret"
NAME = "Advantage_loopback"


class Sapi(ThreadingHTTPServer):
    """`problems` holds what was submitted; `status` is what a poll says of it; `refusal` answers submissions."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        chip = MockDWaveSampler(topology_type="pegasus", topology_shape=[3])
        self.qubits, self.couplers = sorted(chip.nodelist), sorted(tuple(sorted(edge)) for edge in chip.edgelist)
        self.identity = {"name": NAME, "version": {"graph_id": "01"}}
        self.problems, self.status, self.refusal, self.cancelled = {}, "COMPLETED", None, []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.server_address[1]}/sapi/v2/"

    def solver(self):
        timing = {
            **{"version": "1.0.0", "typical_programming_time": 14000.0, "default_programming_thermalization": 1000.0},
            **{"default_annealing_time": 20.0, "default_readout_thermalization": 0.0, "qpu_delay_time_per_sample": 20.0},
            **{"readout_time_model": "pwl_linear", "readout_time_model_parameters": [0.0, 6000.0, 100.0, 100.0]},
            **{"reverse_annealing_with_reinit_prog_time_delta": 0.0, "decorrelation_time_range": [0.0, 0.0]},
            **{"reverse_annealing_without_reinit_prog_time_delta": 0.0, "decorrelation_max_nominal_anneal_time": 1.0},
            **{"reverse_annealing_with_reinit_delay_time_delta": 0.0},
            **{"reverse_annealing_without_reinit_delay_time_delta": 0.0},
        }
        properties = {
            **{"category": "qpu", "supported_problem_types": ["qubo", "ising"], "chip_id": NAME, "tags": []},
            **{"qubits": self.qubits, "couplers": self.couplers, "num_qubits": len(self.qubits)},
            **{"topology": {"type": "pegasus", "shape": [3]}, "problem_timing_data": timing},
            **{"parameters": {"num_reads": "", "answer_mode": ""}, "h_range": [-4, 4], "j_range": [-1, 1]},
        }
        more = {"status": "ONLINE", "avg_load": 0.0, "description": ""}
        return {"id": NAME, "identity": self.identity, "properties": properties, **more}

    def outline(self, problem):
        return {
            **{"id": problem["id"], "label": problem["label"], "solver": self.identity, "type": problem["type"]},
            **{"status": self.status, "submitted_on": "2026-01-01T00:00:00.0Z", "solved_on": "2026-01-01T00:00:01.0Z"},
        }

    def answer(self, problem):
        data = problem["data"]
        linear = numpy.frombuffer(base64.b64decode(data["lin"]), "<f8")
        active = [qubit for qubit, bias in zip(self.qubits, linear) if not numpy.isnan(bias)]
        biases = iter(numpy.frombuffer(base64.b64decode(data["quad"]), "<f8"))
        quadratic = {(a, b): next(biases) for a, b in self.couplers if a in active and b in active}
        vartype = "BINARY" if problem["type"] == "qubo" else "SPIN"
        model = dimod.BinaryQuadraticModel(
            {qubit: linear[self.qubits.index(qubit)] for qubit in active}, quadratic, data.get("offset", 0.0), vartype
        )
        found = SteepestDescentSampler().sample(model, num_reads=problem["params"]["num_reads"], seed=1).aggregate()
        order = [found.variables.index(qubit) for qubit in active]
        bits = numpy.packbits(found.record.sample[:, order] > 0, axis=1, bitorder="little")
        encode = lambda array, kind: base64.b64encode(numpy.asarray(array, kind).tobytes()).decode()
        return {
            **{"format": "qp", "num_variables": max(self.qubits) + 1, "active_variables": encode(active, "<i4")},
            **{"solutions": encode(bits, "u1"), "energies": encode(found.record.energy, "<f8")},
            **{"num_occurrences": encode(found.record.num_occurrences, "<i4"), "timing": {"qpu_access_time": 31000}},
        }


class _Handler(BaseHTTPRequestHandler):
    server: Sapi

    def log_message(self, *_):
        pass

    def do_GET(self):
        url = urlparse(self.path)
        path, query = url.path.removeprefix("/sapi/v2/").strip("/").split("/"), parse_qs(url.query)
        known = self.server.problems
        if self.headers.get("X-Auth-Token") != TOKEN:
            self._reply(401, {"error_code": 401, "error_msg": "Invalid token or access denied"})
        elif path[:2] == ["solvers", "remote"]:
            if len(path) == 2:
                self._reply(200, [self.server.solver()], "solver-definition-list")
            elif path[2] != NAME:
                self._reply(404, {"error_code": 404, "error_msg": "Solver does not exist"})
            else:
                self._reply(200, self.server.solver(), "solver-definition")
        elif len(path) == 1:
            ids = query.get("id", [""])[0].split(",")
            label = query.get("label", [None])[0]
            chosen = [one for one in known.values() if one["id"] in ids or one["label"] == label]
            self._reply(200, [self.server.outline(one) for one in chosen], "problems")
        elif path[1] not in known:
            self._reply(404, {"error_code": 404, "error_msg": "Problem does not exist"})
        else:
            problem = known[path[1]]
            done = {"answer": self.server.answer(problem)} if self.server.status == "COMPLETED" else {}
            self._reply(200, {**self.server.outline(problem), **done}, "problem")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "deflate":
            body = zlib.decompress(body)
        if self.server.refusal:
            self._reply(200, [{"error_code": 400, "error_msg": self.server.refusal}], "problems")
            return
        taken = []
        for problem in json.loads(body):
            problem = {"label": None, **problem, "id": f"p{len(self.server.problems) + 1}"}
            self.server.problems[problem["id"]] = problem
            taken.append({**self.server.outline(problem), "status": "PENDING"})
        self._reply(200, taken, "problems")

    def do_DELETE(self):
        # A list of ids in the body.
        ids = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.cancelled += ids
        self._reply(200, [{**self.server.outline(self.server.problems[one]), "status": "CANCELLED"} for one in ids], "problems")

    def _reply(self, status, content, resource="error"):
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", f"application/vnd.dwave.sapi.{resource}+json; version=3.0.0")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
