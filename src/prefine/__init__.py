"""prefine: curate preference data.

Raw files become responses and pairs; they get measured; measurements get decided; decisions get
exported. Nothing flows back.
"""
